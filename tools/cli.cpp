#include "tools/cli.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>

#include "ir/base/parse.h"

namespace lathe::cli {
namespace {

// The command line as the library understands it.
std::vector<std::string> command_words(int argc, char** argv, const po::options_description& options) {
  std::vector<std::string> words, last;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const po::option_description* option =
        word.starts_with("--") ? options.find_nothrow(word.substr(2), false) : nullptr;
    if (word.starts_with("--") && word.size() > 3 && word.ends_with('=')) {
      words.push_back(word.substr(0, word.size() - 1));  // "--name=" is an empty value
      words.emplace_back();
    } else if (option != nullptr && option->semantic()->min_tokens() == 0 &&
               option->semantic()->max_tokens() == 1) {
      last.push_back(word);  // --verify alone: no word may follow that could be taken for its value
    } else {
      words.push_back(word);
    }
  }
  words.insert(words.end(), last.begin(), last.end());
  return words;
}

// Standard output is a pipe that nobody reads any more: `| head` has seen enough.
bool reader_left() {
  pollfd p{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

}  // namespace

po::variables_map parse(const Program& program, int argc, char** argv, const po::options_description& options,
                        const po::options_description& hidden,
                        const po::positional_options_description& positional) {
  po::options_description visible("Options", 100);
  visible.add(options);
  visible.add_options()("help,h", "show this help")("version", "show the version");
  po::options_description all;
  all.add(visible).add(hidden);
  po::variables_map vars;
  try {
    po::store(
        po::command_line_parser(command_words(argc, argv, all)).options(all).positional(positional).run(),
        vars);
    po::notify(vars);
  } catch (const po::error& e) {
    fail_usage("{} (try {} --help)", e.what(), program.name);
  }
  if (vars.count("help") > 0) {
    std::cout << program.name << ": " << program.summary << "\n\nUsage: " << program.usage << "\n\n"
              << visible << "\nExamples:\n"
              << program.examples << (program.notes.empty() ? "" : "\n" + program.notes)
              << "\nExit codes: " << kExitCodes << ".\n";
    throw Answered();
  }
  if (vars.count("version") > 0) {
    std::cout << program.name << " (lathe) " << version() << "\n";
    throw Answered();
  }
  return vars;
}

int guarded(const std::string& program, const std::function<int()>& body) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe fails the write; files are tidied up
  std::signal(SIGXFSZ, SIG_IGN);
  const auto say = [&](const std::string& text) {
    const Paint p(STDERR_FILENO);
    fmt::print(stderr, "{}: {}error:{} {}\n", program, p.red, p.reset, printable(text));
  };
  try {
    int code = 0;
    try {
      code = body();
    } catch (const Answered&) {
      code = 0;
    }
    std::cout.flush();
    if (!std::cout || std::fflush(stdout) != 0) {
      if (reader_left()) return code;
      say("cannot write to standard output");
      return static_cast<int>(ErrorKind::input);
    }
    return code;
  } catch (const Error& e) {
    say(e.what());
    return static_cast<int>(e.kind());
  } catch (const std::bad_alloc&) {
    say("out of memory");
    return static_cast<int>(ErrorKind::input);
  } catch (const std::exception& e) {
    say(fmt::format("internal: {} (please report this)", e.what()));
    return static_cast<int>(ErrorKind::input);
  }
}

std::string printable(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

void about(const std::string& file, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    throw Error(e.kind(), file + ": " + e.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::input, file + ": out of memory");
  }
}

void warn(const std::string& program, const std::string& text) {
  const Paint p(STDERR_FILENO);
  fmt::print(stderr, "{}: {}warning:{} {}\n", program, p.yellow, p.reset, printable(text));
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

Paint::Paint(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (!is_terminal(fd) || (no_color != nullptr && *no_color != '\0')) return;
  if (term == nullptr || std::string_view(term) == "dumb") return;
  bold = "\033[1m";
  dim = "\033[2m";
  green = "\033[32m";
  yellow = "\033[33m";
  red = "\033[31m";
  reset = "\033[0m";
}

Progress::Progress() : on_(is_terminal(STDERR_FILENO)) {}

void Progress::show(const std::string& text) {
  if (on_) fmt::print(stderr, "\r\033[K{}", text);
}

void Progress::clear() {
  if (on_) fmt::print(stderr, "\r\033[K");
}

namespace {

std::string scaled(double x, const std::array<const char*, 6>& units) {
  size_t u = 0;
  while (x >= 1000 && u + 1 < units.size()) {
    x /= 1000;
    ++u;
  }
  const std::string number = u == 0     ? fmt::format("{:.0f}", x)
                             : x >= 100 ? fmt::format("{:.0f}", x)
                                        : fmt::format("{:.1f}", x);
  return *units[u] == '\0' ? number : number + " " + units[u];
}

}  // namespace

std::pair<std::string, int64_t> dim_size(const std::string& text) {
  const size_t at = text.find('=');
  const auto size =
      at == std::string::npos ? std::nullopt : parse_number<int64_t>(std::string_view(text).substr(at + 1));
  if (!size || *size < 0 || at == 0) fail_usage("--dim needs NAME=SIZE, not '{}'", text);
  return {text.substr(0, at), *size};
}

std::string human_bytes(double bytes) { return scaled(bytes, {"B", "kB", "MB", "GB", "TB", "PB"}); }
std::string human_count(double count) { return scaled(count, {"", "k", "M", "G", "T", "P"}); }
std::string human_seconds(double s) {
  return s < 0.1  ? fmt::format("{:.0f} ms", s * 1e3)
         : s < 10 ? fmt::format("{:.2f} s", s)
                  : fmt::format("{:.0f} s", s);
}

std::string version() { return LATHE_VERSION; }

}  // namespace lathe::cli
