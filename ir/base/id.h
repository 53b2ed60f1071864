// 4-byte handles into a Model's arenas: never reused while the model lives, comparable, hashable, default =
// none.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace lathe {

template <class Tag>
struct Id {
  uint32_t v = ~0u;
  explicit operator bool() const { return v != ~0u; }
  auto operator<=>(const Id&) const = default;
};

}  // namespace lathe

template <class Tag>
struct std::hash<lathe::Id<Tag>> {
  size_t operator()(lathe::Id<Tag> id) const noexcept { return std::hash<uint32_t>{}(id.v); }
};
