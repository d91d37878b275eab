// What all addons do with their arguments and with errors of the domain. A wrong argument is a TypeError that names it.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "../domain/error.h"

namespace tlshub::addon {

// With code, and errno and syscall where there are some.
inline Napi::Error toJs(Napi::Env env, const std::exception& error) {
  Napi::Error js = Napi::Error::New(env, error.what());
  if (const auto* coded = dynamic_cast<const CodedError*>(&error))
    js.Set("code", Napi::String::New(env, coded->code()));
  if (const auto* sys = dynamic_cast<const SysError*>(&error)) {
    js.Set("errno", Napi::Number::New(env, sys->err()));
    js.Set("syscall", Napi::String::New(env, sys->syscall()));
  }
  return js;
}

[[noreturn]] inline void wrongArgument(Napi::Env env, const std::string& what) {
  throw Napi::TypeError::New(env, what);
}

inline Napi::Object objectFrom(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) wrongArgument(value.Env(), std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

inline std::string stringFrom(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) wrongArgument(object.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

inline bool booleanFrom(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) wrongArgument(object.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>();
}

inline double numberFrom(const Napi::Object& object, const char* name, double low, double high) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= low && number <= high))
    wrongArgument(object.Env(), std::string(name) + " must be a number from " +
                                    std::to_string(std::llround(low)) + " to " +
                                    std::to_string(std::llround(high)));
  return number;
}

inline double wholeFrom(const Napi::Object& object, const char* name, double low, double high) {
  const double number = numberFrom(object, name, low, high);
  if (number != std::floor(number))
    wrongArgument(object.Env(), std::string(name) + " must be a whole number");
  return number;
}

// A number that is what it says: nothing is cut off or wrapped around to fit.
inline int64_t toWhole(const Napi::Value& value, const char* name, int64_t low, int64_t high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
      number != std::floor(number))
    wrongArgument(value.Env(), std::string(name) + " must be a whole number from " + std::to_string(low) +
                                   " to " + std::to_string(high));
  return static_cast<int64_t>(number);
}

inline uint32_t toU32(const Napi::Value& value, const char* name) {
  return static_cast<uint32_t>(toWhole(value, name, 0, UINT32_MAX));
}

inline uint16_t toPort(const Napi::Value& value, const char* name) {
  return static_cast<uint16_t>(toWhole(value, name, 0, UINT16_MAX));
}

inline int toInt(const Napi::Value& value, const char* name) {
  return static_cast<int>(toWhole(value, name, INT32_MIN, INT32_MAX));
}

inline uint64_t toU64(const Napi::Value& value, const char* name) {
  bool lossless = false;
  const uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless)
    wrongArgument(value.Env(),
                  std::string(name) + " must be a bigint from 0 to " + std::to_string(UINT64_MAX));
  return number;
}

inline bool toBool(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) wrongArgument(value.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}

inline std::string toText(const Napi::Value& value, const char* name) {
  if (!value.IsString()) wrongArgument(value.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

// The bytes of a Uint8Array of just this length.
inline const uint8_t* bytesFrom(const Napi::Value& value, size_t length, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
      value.As<Napi::Uint8Array>().ByteLength() != length)
    wrongArgument(value.Env(), std::string(name) + " must be " + std::to_string(length) + " bytes");
  return value.As<Napi::Uint8Array>().Data();
}

}  // namespace tlshub::addon
