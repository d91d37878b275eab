// The layout that the addon goes by.
#include <cstddef>

#include "../../../bpf/tlshub.h"
#include "kernel.h"

namespace tlshub::addon {
namespace {

// The layout this addon was compiled with, in the form of dist/bpf/abi.json.
Value abi(const CallbackInfo& info) {
  Env env = info.Env();
  Object all = Object::New(env);
  Object fields;
  auto begin = [&](const char* name, size_t size) {
    Object entry = Object::New(env);
    fields = Object::New(env);
    entry.Set("size", Napi::Number::New(env, static_cast<double>(size)));
    entry.Set("fields", fields);
    all.Set(name, entry);
  };
  auto field = [&](const char* name, size_t offset, size_t size) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::Number::New(env, static_cast<double>(offset)));
    pair.Set(1u, Napi::Number::New(env, static_cast<double>(size)));
    fields.Set(name, pair);
  };
#define BEGIN(type) begin(#type, sizeof(type))
#define FIELD(type, name) field(#name, offsetof(type, name), sizeof(type::name))
  BEGIN(tlshub_tuple);
  FIELD(tlshub_tuple, local);
  FIELD(tlshub_tuple, remote);
  FIELD(tlshub_tuple, lport);
  FIELD(tlshub_tuple, rport);
  FIELD(tlshub_tuple, pad);
  BEGIN(tlshub_flow);
  FIELD(tlshub_flow, cookie);
  FIELD(tlshub_flow, created_ns);
  FIELD(tlshub_flow, established_ns);
  FIELD(tlshub_flow, hold_until_ns);
  FIELD(tlshub_flow, first_held_ns);
  FIELD(tlshub_flow, last_held_ns);
  FIELD(tlshub_flow, spin_since_ns);
  FIELD(tlshub_flow, generation);
  FIELD(tlshub_flow, role);
  FIELD(tlshub_flow, flow_class);
  FIELD(tlshub_flow, refused);
  FIELD(tlshub_flow, iss);
  FIELD(tlshub_flow, irs);
  FIELD(tlshub_flow, agent_tx);
  FIELD(tlshub_flow, keyed);
  FIELD(tlshub_flow, keyed_tx_off);
  FIELD(tlshub_flow, keyed_rx_off);
  FIELD(tlshub_flow, held_calls);
  FIELD(tlshub_flow, stop_tgid);
  FIELD(tlshub_flow, stop_many);
  FIELD(tlshub_flow, open_tx);
  FIELD(tlshub_flow, open_rx);
  FIELD(tlshub_flow, held_tgid);
  FIELD(tlshub_flow, spin_calls);
  FIELD(tlshub_flow, wants);
  FIELD(tlshub_flow, peer_wants);
  FIELD(tlshub_flow, marks);
  FIELD(tlshub_flow, tuple);
  FIELD(tlshub_flow, passed);
  FIELD(tlshub_flow, followed);
  BEGIN(tlshub_owner);
  FIELD(tlshub_owner, start_boottime);
  FIELD(tlshub_owner, inode);
  FIELD(tlshub_owner, tgid);
  FIELD(tlshub_owner, fd);
  FIELD(tlshub_owner, comm);
  BEGIN(tlshub_event);
  FIELD(tlshub_event, kind);
  FIELD(tlshub_event, generation);
  FIELD(tlshub_event, time_ns);
  FIELD(tlshub_event, cookie);
  FIELD(tlshub_event, inode);
  FIELD(tlshub_event, start_boottime);
  FIELD(tlshub_event, created_ns);
  FIELD(tlshub_event, established_ns);
  FIELD(tlshub_event, bytes_sent);
  FIELD(tlshub_event, bytes_received);
  FIELD(tlshub_event, tgid);
  FIELD(tlshub_event, fd);
  FIELD(tlshub_event, role);
  FIELD(tlshub_event, flow_class);
  FIELD(tlshub_event, reason);
  FIELD(tlshub_event, iss);
  FIELD(tlshub_event, irs);
  FIELD(tlshub_event, wait_ms);
  FIELD(tlshub_event, refs);
  FIELD(tlshub_event, blocking);
  FIELD(tlshub_event, peer_wants);
  FIELD(tlshub_event, traffic);
  FIELD(tlshub_event, tuple);
  FIELD(tlshub_event, comm);
  BEGIN(tlshub_secured);
  FIELD(tlshub_secured, closed);
  FIELD(tlshub_secured, asked_ns);
  FIELD(tlshub_secured, started_ns);
  FIELD(tlshub_secured, negotiation_ns);
  FIELD(tlshub_secured, opened_ns);
  FIELD(tlshub_secured, generation);
  FIELD(tlshub_secured, provider);
  FIELD(tlshub_secured, cipher);
  FIELD(tlshub_secured, tls_version);
  FIELD(tlshub_secured, peer_node);
  BEGIN(tlshub_socket);
  FIELD(tlshub_socket, sk_state);
  FIELD(tlshub_socket, encrypts);
  FIELD(tlshub_socket, verdict_flags);
  FIELD(tlshub_socket, traffic);
  FIELD(tlshub_socket, bytes_sent);
  FIELD(tlshub_socket, bytes_received);
  FIELD(tlshub_socket, remembers);
  FIELD(tlshub_socket, pad);
  BEGIN(tlshub_sweep);
  FIELD(tlshub_sweep, flow);
  FIELD(tlshub_sweep, owner);
  FIELD(tlshub_sweep, socket);
#undef BEGIN
#undef FIELD
  return all;
}

}  // namespace

void addAbi(Object& exports) {
  add<abi>(exports, "abi");
}

}  // namespace tlshub::addon
