// SPDX-License-Identifier: Apache-2.0
// event_source.node: a source of events for bench/events.ts. open(OBJECT) returns the perf buffer's map, burst(COUNT) emits that many on
// the CPU that it runs on; a program of its own in the kernel does it, loaded once a process.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <napi.h>

#include <mutex>

namespace {

std::mutex mutex;
bpf_object* object;
int program = -1;

Napi::Value open(const Napi::CallbackInfo& info) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (!object) {
    object = bpf_object__open_file(info[0].As<Napi::String>().Utf8Value().c_str(), nullptr);
    if (!object || bpf_object__load(object))
      throw Napi::Error::New(info.Env(), "the event source cannot be loaded (root?)");
    program = bpf_program__fd(bpf_object__find_program_by_name(object, "emit"));
  }
  return Napi::Number::New(info.Env(), bpf_object__find_map_fd_by_name(object, "events"));
}

Napi::Value burst(const Napi::CallbackInfo& info) {
  char packet[64] = {};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
              .repeat = info[0].As<Napi::Number>().Int32Value());
  if (bpf_prog_test_run_opts(program, &options))
    throw Napi::Error::New(info.Env(), "the event source does not run");
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, open));
  exports.Set("burst", Napi::Function::New(env, burst));
  return exports;
}

}  // namespace

NODE_API_MODULE(event_source, init)
