// JavaScript's hold on an object of the domain: it is freed with the handle, or earlier by a method of the handle's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "kernel.h"

namespace tlshub::addon {

// The classes of one environment: each thread of Node.js that loads the addon has its own.
using Classes = std::map<std::string, Napi::FunctionReference>;

// Until when it lives: as long as JavaScript has it, or, for what must not go because nobody names it for a while, until it is closed.
enum class Lives { kWhileNamed, kUntilClosed };

// `Self` has kName, and methods() for what it can do. Methods called on another object are refused by the engine, for their signature.
template <typename Self, typename Owned, Lives lives = Lives::kWhileNamed>
class Handle : public Napi::ObjectWrap<Self> {
 public:
  explicit Handle(const CallbackInfo& info) : Napi::ObjectWrap<Self>(info), owned_(std::move(made())) {
    if (!owned_) wrongArgument(info.Env(), std::string("a ") + Self::kName + " is not made by new");
    if (lives == Lives::kUntilClosed) this->Ref();
  }

  static Object wrap(Env env, std::unique_ptr<Owned> owned) {
    Classes& classes = *env.GetInstanceData<Classes>();
    Napi::FunctionReference& made_by = classes[Self::kName];
    if (made_by.IsEmpty()) made_by = Napi::Persistent(Self::DefineClass(env, Self::kName, Self::methods()));
    made() = std::move(owned);
    return made_by.New({});
  }

 protected:
  // The method that closes it, under the name that fits.
  static Napi::ClassPropertyDescriptor<Self> closing(const char* name) {
    return Napi::ObjectWrap<Self>::InstanceMethod(
        name, static_cast<Napi::Value (Self::*)(const CallbackInfo&)>(&Handle::close));
  }

  // Throws a TypeError once it is closed.
  Owned& owned() {
    if (!owned_) wrongArgument(this->Env(), std::string("the ") + Self::kName + " is closed");
    return *owned_;
  }

  std::unique_ptr<Owned> take() {
    owned();
    if (lives == Lives::kUntilClosed) this->Unref();
    return std::move(owned_);
  }

 private:
  Napi::Value close(const CallbackInfo& info) {
    take();
    return info.Env().Undefined();
  }

  // On its way from wrap() to the constructor.
  static std::unique_ptr<Owned>& made() {
    static thread_local std::unique_ptr<Owned> owned;
    return owned;
  }

  std::unique_ptr<Owned> owned_;
};

}  // namespace tlshub::addon
