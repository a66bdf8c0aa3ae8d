// attack: area-replaced
// class: names
// severity: critical
// bare: held
// trap: A monitor that puts the judged arguments into memory of the program's address space has to
//   keep that memory in its place: a mapping that cannot be written can still be unmapped, moved
//   away, covered by another, or kept from a child, and what lies at its address then is the
//   program's own.
// naive: Makes the mapping read-only and believes that it stays.
// kernel: mmap with MAP_FIXED, mremap with MREMAP_FIXED and shmat with SHM_REMAP unmap what is in
//   the way; munmap and shmdt ask nobody; MADV_DONTFORK and MADV_WIPEONFORK say what a child gets.
//   One byte in huge pages is a whole one (hugetlbfs), and where one page of an AIO ring has been
//   moved to, io_destroy unmaps the length of the whole ring (fs/aio.c, aio_ring_mremap).
// sealed: These calls are refused where they touch the window, or could by what the kernel makes
//   of their length, whatever the policy grants. What only wishes for an address there gets another,
//   from the kernel.
// source: found while writing down what the argument area rests on
// policy:
//   path allow all /**
//   path deny $S/**
//   network deny all
// report: argument area
#include <sys/shm.h>

#include "tests/support/shared_segment.h"

namespace attack {
namespace {

constexpr size_t kPage = 4096;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

bool mapped(void* at) { return at != MAP_FAILED; }

// A segment of the program's own, which goes with the program.
int own_segment(size_t size) {
  const int segment = ::shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
  must(segment >= 0, "shmget");
  return segment;
}

// A ring of some twenty pages; nullptr: no AIO is to be had.
char* own_ring() {
  unsigned long ring = 0;
  return ::syscall(SYS_io_setup, 1000, &ring) == 0 ? reinterpret_cast<char*>(ring) : nullptr;
}
bool destroy_ring(char* ring) { return ::syscall(SYS_io_destroy, ring) == 0; }

// The first page of a ring goes where the rest of it would lie over the area.
void unmap_by_a_ring(char* at) {
  for (int pages : {1, 4, 8}) {
    char* const to = at - static_cast<size_t>(pages) * kPage;
    char* const ring = own_ring();
    if (ring == nullptr) return;
    if (::mremap(ring, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) {
      destroy_ring(to);
      unsigned char resident = 0;
      if (::mincore(at, kPage, &resident) != 0) prey_taken("unmapped as the rest of a ring");
    } else {
      must(destroy_ring(ring), "io_destroy");
    }
  }
}

// One byte, of which the kernel makes a page that reaches over the area.
void cover_by_huge_pages(uint64_t start) {
  constexpr int kRead = PROT_READ | PROT_WRITE;
  for (int log = 21; log <= 30; ++log) {
    char* const from = reinterpret_cast<char*>(static_cast<uintptr_t>(start >> log << log));
    const int huge = kAnonymous | MAP_NORESERVE | MAP_HUGETLB | (log << MAP_HUGE_SHIFT);
    if (mapped(::mmap(from, 1, kRead, huge | MAP_FIXED, -1, 0))) {
      prey_taken("covered by a huge page");
    }
    const int file =
        ::memfd_create("huge", MFD_HUGETLB | static_cast<unsigned>(log) << MAP_HUGE_SHIFT);
    if (file >= 0 &&
        mapped(::mmap(from, 1, kRead, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file, 0))) {
      prey_taken("covered by a file of huge pages");
    }
    ::close(file);
    void* const own = ::mmap(nullptr, 1, kRead, huge, -1, 0);
    if (mapped(own) && mapped(::mremap(own, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, from))) {
      prey_taken("a huge page was moved onto it");
    }
  }
}

}  // namespace

void strike() {
  const auto area = SharedSegment::find();
  if (!area.exists()) held("no shared arguments here");
  char* const at = static_cast<char*>(area.at());
  char* const last = at + area.size() - kPage;
  char* const below = at - kPage;
  const int prot = PROT_READ | PROT_WRITE;

  for (char* page : {at, last}) {
    if (mapped(::mmap(page, kPage, prot, kAnonymous | MAP_FIXED, -1, 0))) prey_taken("covered");
    if (::munmap(page, kPage) == 0) prey_taken("unmapped");
    if (mapped(::mremap(page, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, below))) {
      prey_taken("moved away");
    }
    for (int advice : {MADV_DONTFORK, MADV_WIPEONFORK, MADV_REMOVE}) {
      if (::madvise(page, kPage, advice) == 0) prey_taken("taken by advice");
    }
    if (::mprotect(page, kPage, prot) == 0) prey_taken("made writable");
  }
  if (mapped(::mmap(below, 2 * kPage, prot, kAnonymous | MAP_FIXED, -1, 0))) {
    prey_taken("covered from below");
  }
  if (::munmap(below, area.size() + 2 * kPage) == 0) prey_taken("unmapped with its neighbours");
  void* const own = ::mmap(nullptr, kPage, prot, kAnonymous, -1, 0);
  must(mapped(own), "mmap");
  if (mapped(::mremap(own, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, at))) {
    prey_taken("another was moved onto it");
  }
  const int segment = own_segment(2 * kPage);
  const bool attached = mapped(::shmat(segment, at, SHM_REMAP)) ||
                        mapped(::shmat(segment, below, SHM_REMAP)) ||
                        mapped(::shmat(segment, at + 1, SHM_REMAP | SHM_RND));
  ::shmctl(segment, IPC_RMID, nullptr);
  if (attached) prey_taken("another segment was attached over it");
  if (::shmdt(at) == 0) prey_taken("detached");
  unmap_by_a_ring(at);
  cover_by_huge_pages(area.start);
  if (SharedSegment::find() != area) prey_taken("it is not where it was");
  take(secret());
  held("the area's place");
}

void twin() {
  // Wishes and asking politely: what is there stays, wherever the monitor has put something.
  const auto area = SharedSegment::find();
  char* const at = area.exists()
                       ? static_cast<char*>(area.at())
                       : static_cast<char*>(::mmap(nullptr, kPage, PROT_READ, kAnonymous, -1, 0));
  constexpr size_t kMuch = size_t{256} << 20;
  for (char* wish : {at, at - kMuch / 2}) {
    char* got =
        static_cast<char*>(::mmap(wish, kMuch, PROT_NONE, kAnonymous | MAP_NORESERVE, -1, 0));
    must(mapped(got), "a wish for an address is only a wish");
    must(got != wish, "what is there stays");
    must(::munmap(got, kMuch) == 0, "munmap");
  }
  // What lies low and beside it is the program's own.
  char* const low = at - (size_t{64} << 20);
  must(::mmap(low, 2 * kPage, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0) ==
           low,
       "memory below it");
  *low = 1;
  must(::mremap(low, 2 * kPage, kPage, 0) == low && ::munmap(low, kPage) == 0, "give it back");
  const int segment = own_segment(kPage);
  must(::shmat(segment, low, 0) == low, "a segment below it");
  ::shmctl(segment, IPC_RMID, nullptr);
  must(::shmdt(low) == 0, "detach it again");
  if (char* const ring = own_ring(); ring != nullptr) {
    constexpr size_t kRoom = 64 * kPage;  // for what io_destroy will take of it
    void* const there = ::mmap(nullptr, kRoom, PROT_NONE, kAnonymous, -1, 0);
    must(mapped(there) &&
             ::mremap(ring, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, there) == there,
         "a ring is moved elsewhere");
    must(destroy_ring(static_cast<char*>(there)), "io_destroy");
  }
  must(reads(work("ok.dat"), kHarmless), "the granted file");
  twin_ok();
}

}  // namespace attack
