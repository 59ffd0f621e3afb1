#include "runner/launch/plan.h"

#include <utility>

#include "base/error.h"

namespace launch {

int Plan::inherit(int fd) {
  CHECK(slots_ == static_cast<int>(inherited_.size()) && slots_ < wire::kMaxSlots);
  inherited_.push_back(fd);
  return slots_++;
}

int Plan::new_slot() {
  if (slots_ == wire::kMaxSlots)
    throw base::Error(base::Code::kInvalid, "too many mounts for one container", "too-many-mounts");
  return slots_++;
}

wire::Operation& Plan::add(wire::Kind kind, std::string what, wire::Operation fields,
                           std::string_view text) {
  fields.kind = kind;
  fields.text_size = static_cast<uint32_t>(text.size());
  entries_.push_back({fields, std::string(text), std::move(what)});
  return entries_.back().operation;
}

std::string Plan::encode() const {
  wire::PlanHeader header = {};
  header.magic = wire::kMagic;
  header.operation_count = static_cast<uint32_t>(entries_.size());
  header.slot_count = static_cast<uint32_t>(inherited_.size());
  for (size_t i = 0; i < inherited_.size(); ++i) header.slots[i] = inherited_[i];
  size_t size = sizeof header;
  for (const Entry& entry : entries_)
    size += sizeof entry.operation + wire::padded(entry.operation.text_size);
  header.size = static_cast<uint32_t>(size);
  std::string bytes;
  bytes.reserve(size);
  bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  for (const Entry& entry : entries_) {
    bytes.append(reinterpret_cast<const char*>(&entry.operation), sizeof entry.operation);
    bytes.append(entry.text);
    bytes.append(wire::padded(entry.operation.text_size) - entry.text.size(), '\0');
  }
  return bytes;
}

}  // namespace launch
