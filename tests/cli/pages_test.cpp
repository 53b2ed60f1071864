// Generated pages of docs/ are what the program would write today.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tools/pages/ops_page.h"

namespace lathe::test {
namespace {

void expect_current(const char* path, const std::string& page) {
  if (std::getenv("LATHE_UPDATE_PAGES") != nullptr) std::ofstream(path) << page;
  std::ifstream file(path);
  std::stringstream there;
  there << file.rdbuf();
  EXPECT_TRUE(there.str() == page) << path << " is not current: run ./dev pages";
}

TEST(Pages, OpsIsCurrent) { expect_current("docs/ops.md", ops_page()); }

}  // namespace
}  // namespace lathe::test
