// SPDX-License-Identifier: Apache-2.0
// What is noted of records that programs leave open.
#include "../../domain/open_record.h"
#include "background.h"

namespace tlshub::addon {
namespace {

Value toValue(Env env, std::unique_ptr<DueRecords> found) {
  Napi::Array due = Napi::Array::New(env, found->due.size());
  for (uint32_t i = 0; i < due.Length(); i++) {
    const Napi::HandleScope scope(env);
    const DueRecord& record = found->due[i];
    Object one = Object::New(env);
    one.Set("cookie", big(env, record.cookie));
    one.Set("tgid", Napi::Number::New(env, record.note.tgid));
    one.Set("fd", Napi::Number::New(env, record.note.fd));
    one.Set("inode", big(env, record.note.inode));
    one.Set("startBoottime", big(env, record.note.start_boottime));
    due.Set(i, one);
  }
  Object result = Object::New(env);
  result.Set("due", due);
  result.Set("nextNs", Napi::Number::New(env, static_cast<double>(found->nextNs)));
  return result;
}

Value dueRecords(const CallbackInfo& info) {
  const int map = toInt(info[0], "openRecordsFd");
  const uint64_t sinceNs = static_cast<uint64_t>(toWhole(info[1], "sinceNs", 0, 1ll << 62));
  const uint32_t mostOfOne = toU32(info[2], "mostOfOne");
  return Background<DueRecords>::run(
      info.Env(), "open records",
      [=] { return std::make_unique<DueRecords>(tlshub::dueRecords(map, sinceNs, mostOfOne)); }, toValue);
}

}  // namespace

void addOpenRecords(Object& exports) {
  add<dueRecords>(exports, "dueRecords");
}

}  // namespace tlshub::addon
