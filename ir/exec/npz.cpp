#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "ir/base/mapped_file.h"
#include "ir/base/output_file.h"
#include "ir/exec/npy.h"

namespace lathe {
namespace {

std::string_view reason(archive* a) {
  const char* text = archive_error_string(a);
  return text != nullptr ? text : "unknown error";
}

la_ssize_t write_block(archive* a, void* file, const void* data, size_t size) {
  try {
    static_cast<OutputFile*>(file)->write(std::span(static_cast<const std::byte*>(data), size));
  } catch (const Error& e) {
    archive_set_error(a, ARCHIVE_FATAL, "%s", e.what());
    return -1;
  }
  return static_cast<la_ssize_t>(size);
}

}  // namespace

NamedTensors read_npz(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::unique_ptr<archive, int (*)(archive*)> a(archive_read_new(), archive_read_free);
  archive_read_support_format_zip(a.get());
  if (archive_read_open_memory(a.get(), file->bytes().data(), file->bytes().size()) != ARCHIVE_OK)
    fail("{}: {}", path.string(), reason(a.get()));
  NamedTensors out;
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(a.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) fail("{}: {}", path.string(), reason(a.get()));
    std::string name = archive_entry_pathname(entry) != nullptr ? archive_entry_pathname(entry) : "";
    std::vector<std::byte> bytes;
    for (;;) {
      const void* block = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int r = archive_read_data_block(a.get(), &block, &size, &offset);
      if (r == ARCHIVE_EOF) break;
      if (r != ARCHIVE_OK) fail("{}: '{}': {}", path.string(), name, reason(a.get()));
      if (static_cast<size_t>(offset) != bytes.size()) fail("{}: '{}' has holes", path.string(), name);
      const auto* from = static_cast<const std::byte*>(block);
      bytes.insert(bytes.end(), from, from + size);
    }
    Tensor t = decode_npy(bytes, path.string() + ": " + name);
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    out.emplace_back(std::move(name), std::move(t));
  }
  return out;
}

void write_npz(const std::filesystem::path& path, const NamedTensors& tensors) {
  OutputFile file(path);
  const std::unique_ptr<archive, int (*)(archive*)> a(archive_write_new(), archive_write_free);
  const auto check = [&](la_ssize_t status) {
    if (status < ARCHIVE_OK) fail("{}: {}", path.string(), reason(a.get()));
  };
  check(archive_write_set_format_zip(a.get()));
  check(archive_write_set_format_option(a.get(), "zip", "compression", "store"));
  check(archive_write_set_bytes_in_last_block(a.get(), 1));
  check(archive_write_open(a.get(), &file, nullptr, write_block, nullptr));
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  for (const auto& [name, t] : tensors) {
    const std::string bytes = encode_npy(t);
    archive_entry_clear(entry.get());
    archive_entry_set_pathname_utf8(entry.get(), (name + ".npy").c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    check(archive_write_header(a.get(), entry.get()));
    check(archive_write_data(a.get(), bytes.data(), bytes.size()));
  }
  check(archive_write_close(a.get()));
  file.commit();
}

}  // namespace lathe
