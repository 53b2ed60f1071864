// What the programs share: option parsing (Boost.Program_options), help that teaches, errors as one line with
// the right exit code, terminal habits.
#pragma once
#include <boost/program_options.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ir/base/error.h"

namespace lathe::cli {

namespace po = boost::program_options;

struct Program {
  std::string name;        // "onnx-opt"
  std::string summary;     // one sentence
  std::string usage;       // "onnx-opt [options] MODEL..."
  std::string examples;    // ready lines with a comment each
  std::string notes = {};  // what else help should tell, after the examples
};

// Thrown once a question such as --help has been answered: the program ends well.
struct Answered : std::exception {};

// Parses argv. --help and --version are added, answered and end the program (exit 0); what does not parse is
// a usage error. `hidden` holds positional arguments and what help need not show.
po::variables_map parse(const Program& program, int argc, char** argv, const po::options_description& options,
                        const po::options_description& hidden,
                        const po::positional_options_description& positional);

// Every program's exit codes, as its help tells them.
inline constexpr const char* kExitCodes = "0 done, 1 a check failed, 2 bad usage, 3 bad input or output";

// Runs body and turns what it throws into one line on standard error and an exit code: 1 a failed check, 2
// bad usage, 3 bad input (see Error), 3 too for memory that is not there.
int guarded(const std::string& program, const std::function<int()>& body);

// Text of a file's own (names, metadata), fit for a terminal: control characters become spaces.
std::string printable(std::string_view text);

// Runs body; errors that it throws begin with the name of the file they are about.
void about(const std::string& file, const std::function<void()>& body);

void warn(const std::string& program, const std::string& text);

bool is_terminal(int fd);
// Escape codes when the stream is a terminal and NO_COLOR is not set; "" otherwise.
struct Paint {
  explicit Paint(int fd);
  std::string bold, dim, green, yellow, red, reset;
};

// One line of progress on standard error, rewritten in place; nothing when it is not a terminal.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  void show(const std::string& text);
  void clear();

 private:
  bool on_ = false;
};

std::string human_bytes(double bytes);      // "90.4 MB" (powers of 1000, as file managers show)
std::string human_count(double count);      // "22.7 M"
std::string human_seconds(double seconds);  // "0.41 s", "12 ms"

// "NAME=SIZE", the value of a --dim option.
std::pair<std::string, int64_t> dim_size(const std::string& text);

std::string version();

}  // namespace lathe::cli
