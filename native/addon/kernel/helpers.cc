// SPDX-License-Identifier: Apache-2.0
// One thread's helper processes, watched by its event loop.
#include "../../domain/helper/helpers.h"

#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "../../domain/secrets/traffic.h"
#include "../../domain/sock_diag.h"
#include "../callback.h"
#include "../loop_wrap.h"
#include "../secret_handle.h"
#include "flow_from.h"
#include "handle.h"

namespace tlshub::addon {
namespace {

using helper::Answer;
using helper::Job;
using helper::Task;

// Of an Object or an Error.
template <typename Result>
void setCpu(Result& result, const Answer& answer) {
  result.Set("cpuMs", Napi::Number::New(result.Env(), answer.cpuUs / 1e3));
}

Napi::Value errorFrom(Env env, const Answer& answer) {
  Napi::Error error = Napi::Error::New(env, answer.message);
  setCpu(error, answer);
  error.Set("code", Napi::String::New(env, answer.code));
  if (answer.syscall[0]) {
    error.Set("errno", Napi::Number::New(env, answer.err));
    error.Set("syscall", Napi::String::New(env, answer.syscall));
  }
  return error.Value();
}

Job jobFrom(const Object& from, Task task) {
  Job job;
  job.request.task = task;
  job.request.cookie = toU64(from.Get("cookie"), "cookie");
  job.request.generation = toU32(from.Get("generation"), "generation");
  job.request.tgid = toU32(from.Get("tgid"), "tgid");
  job.charge = static_cast<uint64_t>(toWhole(from.Get("charge"), "charge", 0, (1ll << 53) - 1));
  return job;
}

Job ownerJobFrom(const Object& from, Task task) {
  Job job = jobFrom(from, task);
  job.request.hint = toInt(from.Get("fd"), "fd");
  job.request.inode = toU64(from.Get("inode"), "inode");
  job.request.search = toBool(from.Get("search"), "search");
  return job;
}

using Secrets = Secret<TrafficSecrets>;

// Throws CodedError TLSHUB_SECRETS.
void setInstall(Job& job, const Object& from, const TrafficSecrets& secrets) {
  const Cipher cipher = cipherFrom(from.Get("cipher"));
  job.keys = trafficKeys(cipher, secrets);
  helper::Install& what = job.request.install;
  what.cipher = static_cast<uint32_t>(cipher);
  what.active = toText(from.Get("role"), "role") == "active";
  what.txSequence = toU64(from.Get("txSequence"), "txSequence");
  what.rxSequence = toU64(from.Get("rxSequence"), "rxSequence");
  what.sent = toU32(from.Get("handshakeBytesSent"), "handshakeBytesSent");
  what.received = toU32(from.Get("handshakeBytesReceived"), "handshakeBytesReceived");
  what.provider = toU32(from.Get("provider"), "provider");
  what.askedNs = toU64(from.Get("askedNs"), "askedNs");
  what.startedNs = toU64(from.Get("startedNs"), "startedNs");
  what.negotiationNs = toU64(from.Get("negotiationNs"), "negotiationNs");
  const std::string peerNode = toText(from.Get("peerNode"), "peerNode");
  if (peerNode.size() >= sizeof(what.peerNode)) wrongArgument(from.Env(), "peerNode is too long");
  std::memcpy(what.peerNode, peerNode.data(), peerNode.size());
}

// Whatever comes of it. Throws CodedError TLSHUB_SECRETS.
Secrets takeSecrets(const Object& from) {
  return SecretStore::take<TrafficSecrets>(toHandle(from.Get("secrets"), "secrets"));
}

Object installed(Env env, const Answer& answer) {
  Object result = Object::New(env);
  result.Set("kernelUlp", Napi::String::New(env, answer.ulp));
  result.Set("kernelCipher", Napi::String::New(env, answer.cipher));
  result.Set("kernelVersion", Napi::String::New(env, answer.version));
  result.Set("continued", Napi::Number::New(env, answer.continued));
  result.Set("openedNs", big(env, answer.openedNs));
  result.Set("remembered", Napi::Boolean::New(env, answer.remembered));
  return result;
}

Object taken(Env env, const Answer& answer, Fd socket) {
  Object result = Object::New(env);
  result.Set("live", Napi::Boolean::New(env, answer.live));
  result.Set("fd", Napi::Number::New(env, socket.release()));
  setCpu(result, answer);
  return result;
}

class HelpersWrap : public LoopWrap<HelpersWrap, helper::Helpers> {
 public:
  static constexpr char kName[] = "Helpers";

  static Object make(Napi::Env env, std::unique_ptr<helper::Helpers> helpers, const FlowMaps& maps) {
    Classes& classes = *env.GetInstanceData<Classes>();
    Napi::FunctionReference& madeBy = classes[kName];
    if (madeBy.IsEmpty())
      madeBy = Napi::Persistent(DefineClass(
          env, kName,
          {InstanceMethod<&HelpersWrap::take>("take"), InstanceMethod<&HelpersWrap::secure>("secure"),
           InstanceMethod<&HelpersWrap::has>("has"), InstanceMethod<&HelpersWrap::peek>("peek"),
           InstanceMethod<&HelpersWrap::install>("install"), InstanceMethod<&HelpersWrap::end>("end"),
           InstanceMethod<&HelpersWrap::destroy>("destroy"), InstanceMethod<&HelpersWrap::pushOut>("pushOut"),
           InstanceMethod<&HelpersWrap::pushRecord>("pushRecord"),
           InstanceMethod<&HelpersWrap::figures>("figures"), InstanceMethod<&HelpersWrap::close>("close")}));
    made() = std::move(helpers);
    Object object = madeBy.New({});
    Unwrap(object)->maps_ = maps;
    return object;
  }

  explicit HelpersWrap(const CallbackInfo& info) : LoopWrap(info) {
    if (!made()) wrongArgument(info.Env(), "Helpers are not made by new");
    watch(std::move(made()));
  }

 private:
  // On its way from make() to the constructor.
  static std::unique_ptr<helper::Helpers>& made() {
    static thread_local std::unique_ptr<helper::Helpers> helpers;
    return helpers;
  }

  // `result`: what the answer is to JavaScript if it did not fail, and `failure` if it did.
  template <typename Result, typename Failure = decltype(&errorFrom)>
  Napi::Value submit(const CallbackInfo& info, Job job, Result result, Failure failure = &errorFrom) {
    if (isClosed()) wrongArgument(info.Env(), "the Helpers are closed");
    auto done = functionFrom(info[info.Length() - 1], "done");
    const uint64_t cookie = job.request.cookie;
    native().submit(std::move(job), [this, done, result, failure, cookie](const Answer& answer,
                                                                          const std::string&, Fd socket) {
      // Whoever stands still in close() for a descriptor that a lost helper has must not wait for that.
      if (answer.failed && !std::strcmp(answer.code, helper::kLostCode)) release(maps_, -1, cookie);
      callJs(*done, [&](Napi::Env env) -> Napi::Value {
        if (answer.failed) return failure(env, answer);
        return result(env, answer, std::move(socket));
      });
    });
    settle();
    return info.Env().Undefined();
  }

  // What is said of somebody's socket: yes or no, under this name.
  Napi::Value ask(const CallbackInfo& info, Task task, const char* name) {
    return submit(info, ownerJobFrom(objectFrom(info[0], "owner"), task),
                  [name](Napi::Env env, const Answer& answer, Fd) {
                    Object result = Object::New(env);
                    result.Set(name, Napi::Boolean::New(env, answer.live));
                    setCpu(result, answer);
                    return result;
                  });
  }

  Napi::Value take(const CallbackInfo& info) {
    Job job = ownerJobFrom(objectFrom(info[0], "owner"), Task::kTake);
    return submit(info, std::move(job), [](Napi::Env env, const Answer& answer, Fd socket) {
      return taken(env, answer, std::move(socket));
    });
  }

  // As long as it was not taken, its secrets can still serve: they are left again with the answer that says so.
  Napi::Value secure(const CallbackInfo& info) {
    Object from = objectFrom(info[0], "request");
    Job job = ownerJobFrom(from, Task::kSecure);
    std::shared_ptr<Secrets> secrets;
    try {
      secrets = std::make_shared<Secrets>(takeSecrets(from));
      setInstall(job, from, **secrets);
    } catch (const CodedError& error) {
      throw toJs(info.Env(), error);
    }
    const auto leave = [secrets](Napi::Env env, Object to) {
      to.Set("secrets", leaveSecret(env, *secrets, Left::kForGood));
    };
    return submit(
        info, std::move(job),
        [secrets, leave](Napi::Env env, const Answer& answer, Fd socket) {
          if (!answer.live) {
            Object result = taken(env, answer, std::move(socket));
            leave(env, result);
            return result;
          }
          secrets->reset();
          Object result = installed(env, answer);
          result.Set("live", Napi::Boolean::New(env, true));
          setCpu(result, answer);
          return result;
        },
        [secrets, leave](Napi::Env env, const Answer& answer) {
          Object error = errorFrom(env, answer).As<Object>();
          error.Set("refused", Napi::Boolean::New(env, answer.live));
          if (answer.live || !std::strcmp(answer.code, helper::kLostCode))
            secrets->reset();
          else
            leave(env, error);
          return error;
        });
  }

  Napi::Value has(const CallbackInfo& info) { return ask(info, Task::kHas, "has"); }

  // The first byte of what there is to read, -1: nothing yet, -2: the end.
  Napi::Value peek(const CallbackInfo& info) {
    Object from = objectFrom(info[0], "held");
    Job job = jobFrom(from, Task::kExchange);
    job.fd = toInt(from.Get("fd"), "fd");
    return submit(info, std::move(job), [](Napi::Env env, const Answer& answer, Fd) -> Napi::Value {
      if (!answer.readError) return Napi::Number::New(env, answer.ended ? -2 : answer.first);
      if (answer.readError == EAGAIN) return Napi::Number::New(env, -1);
      return toJs(env, SysError("recv", "cannot look at the connection", answer.readError)).Value();
    });
  }

  Napi::Value install(const CallbackInfo& info) {
    Object from = objectFrom(info[0], "request");
    Job job = jobFrom(from, Task::kInstall);
    try {
      const Secrets secrets = takeSecrets(from);
      job.fd = toInt(from.Get("fd"), "fd");
      setInstall(job, from, *secrets);
    } catch (const CodedError& error) {
      throw toJs(info.Env(), error);
    }
    return submit(info, std::move(job),
                  [](Napi::Env env, const Answer& answer, Fd) { return installed(env, answer); });
  }

  // Of a connection: "refuse", "forbid", "hang-up", or "close", which ends nothing but our descriptor.
  Napi::Value end(const CallbackInfo& info) {
    const std::string how = toText(info[0], "how");
    const Task task = how == "refuse"    ? Task::kRefuse
                      : how == "forbid"  ? Task::kForbid
                      : how == "hang-up" ? Task::kHangUp
                      : how == "close"   ? Task::kClose
                                         : Task{};
    if (task == Task{}) wrongArgument(info.Env(), "no such end: " + how);
    Object from = objectFrom(info[1], "held");
    Job job = jobFrom(from, task);
    job.fd = toInt(from.Get("fd"), "fd");
    job.request.handshakeOnly = toBool(from.Get("handshakeOnly"), "handshakeOnly");
    return submit(info, std::move(job), [](Napi::Env env, const Answer& answer, Fd) {
      static const char* const by[] = {"disconnect", "sock_destroy", "already-closed"};
      Object result = Object::New(env);
      result.Set("by", Napi::String::New(env, by[answer.by]));
      result.Set("discardedBytes", Napi::Number::New(env, answer.discarded));
      result.Set("continued", Napi::Number::New(env, answer.continued));
      return result;
    });
  }

  Napi::Value destroy(const CallbackInfo& info) {
    Object from = objectFrom(info[0], "connection");
    Job job = jobFrom(from, Task::kDestroy);
    const Tuple tuple = tupleFrom(from.Get("tuple"));
    std::memcpy(job.request.local, tuple.local, sizeof(tuple.local));
    std::memcpy(job.request.remote, tuple.remote, sizeof(tuple.remote));
    job.request.localPort = tuple.localPort;
    job.request.remotePort = tuple.remotePort;
    return submit(info, std::move(job), [](Napi::Env env, const Answer& answer, Fd) {
      return Napi::Boolean::New(env, answer.live);
    });
  }

  Napi::Value pushOut(const CallbackInfo& info) {
    Job job = ownerJobFrom(objectFrom(info[0], "owner"), Task::kFlush);
    return submit(info, std::move(job), [](Napi::Env env, const Answer& answer, Fd) {
      Object result = Object::New(env);
      result.Set("continued", Napi::Number::New(env, answer.continued));
      setCpu(result, answer);
      return result;
    });
  }

  Napi::Value pushRecord(const CallbackInfo& info) { return ask(info, Task::kPush, "pushed"); }

  Napi::Value figures(const CallbackInfo& info) {
    const helper::Figures now = native().figures();
    Object result = Object::New(info.Env());
    auto set = [&](const char* name, uint64_t value) {
      result.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
    };
    set("idle", now.idle);
    set("busy", now.busy);
    set("slow", now.slow);
    set("lost", now.lost);
    set("begun", now.begun);
    set("lostEver", now.lostEver);
    set("refused", now.refused);
    return result;
  }

  Napi::Value close(const CallbackInfo& info) {
    closeNative();
    return info.Env().Undefined();
  }

  FlowMaps maps_ = {};
};

Value openHelpers(const CallbackInfo& info) {
  const FlowMaps none = {-1, -1, -1, -1, -1, -1, -1, -1};
  return HelpersWrap::make(info.Env(),
                           std::make_unique<helper::Helpers>(toInt(info[0], "parentFd"), helper::Limits{}),
                           info[1].IsUndefined() ? none : mapsFrom(info[1]));
}

Value helperParentPair(const CallbackInfo& info) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
    throw SysError("socketpair", "cannot start helpers");
  Napi::Array fds = Napi::Array::New(info.Env(), 2);
  fds.Set(0u, Napi::Number::New(info.Env(), pair[0]));
  fds.Set(1u, Napi::Number::New(info.Env(), pair[1]));
  return fds;
}

}  // namespace

void addHelpers(Object& exports) {
  add<openHelpers>(exports, "openHelpers");
  add<helperParentPair>(exports, "helperParentPair");
}

}  // namespace tlshub::addon
