// From a stopped call to values of our own: the table, foreign strings and messages, addresses, and
// what /proc says of a task. This process stands for the tracee.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "arch/syscall_table.h"
#include "monitor/argument_area.h"
#include "monitor/message.h"
#include "monitor/proc_files.h"
#include "monitor/socket_address.h"
#include "monitor/tracee_memory.h"

namespace callgate {
namespace {

TraceeAddr address(const void* pointer) {
  return TraceeAddr{static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer))};  // NOLINT
}

void FindRow(benchmark::State& state) {
  int number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(find_syscall(Abi::X86_64, number));
    number = (number + 7) % 460;
  }
}
BENCHMARK(FindRow);

void ReadName(benchmark::State& state) {
  const std::string name(static_cast<size_t>(state.range(0)), 'n');
  const TraceeMemory memory(::getpid());
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.read_string(address(name.c_str()), PATH_MAX));
  }
}
BENCHMARK(ReadName)->Arg(30)->Arg(300)->Arg(4000);

void ReadMessage(benchmark::State& state) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  char data[8] = {};
  iovec vectors[2] = {{data, 4}, {data + 4, 4}};
  msghdr header{};
  header.msg_name = &name;
  header.msg_namelen = sizeof name;
  header.msg_iov = vectors;
  header.msg_iovlen = 2;
  const TraceeMemory memory(::getpid());
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_message(memory, address(&header), Abi::X86_64));
  }
}
BENCHMARK(ReadMessage);

void ReadEndpoint(benchmark::State& state) {
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(443);
  inet_pton(AF_INET6, "2001:db8::1", &name.sin6_addr);
  SocketFacts facts;
  facts.domain = AF_INET6;
  facts.type = SOCK_STREAM;
  const auto bytes = std::as_bytes(std::span(&name, 1));
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_endpoint(bytes, facts, NetOp::Connect));
  }
}
BENCHMARK(ReadEndpoint);

void PutName(benchmark::State& state) {
  auto area = ArgumentArea::create();
  if (!area.ok()) return state.SkipWithError("no System V segment");
  const std::string name(60, 'n');
  for (auto _ : state) {
    auto slot = area->take();
    benchmark::DoNotOptimize(slot->put_string(name));
  }
}
BENCHMARK(PutName);

void TaskStatusOf(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(read_task_status(::getpid()));
}
BENCHMARK(TaskStatusOf);

void MappingsOf(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(read_mappings(::getpid()));
}
BENCHMARK(MappingsOf);

}  // namespace
}  // namespace callgate
