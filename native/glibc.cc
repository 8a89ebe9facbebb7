// SPDX-License-Identifier: MIT
// The C library as glibc 2.28 has it, for an addon that is built on one machine and runs on others.
// Glibc keeps the old versions of a function, but a linker takes the newest one. So each name that
// the addon and the parts of libstdc++ within it use, and that has a version younger than 2.28, is
// defined here and leads to its oldest version. The addon exports none of them. `npm run pack:all`
// checks the result.
#include <sys/stat.h>

#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#define JUMP "jmp "
#define FUNCTION "@function"
#define THROUGH_PLT "@PLT"
constexpr int kStatVersion = 1;
#elif defined(__aarch64__)
#define OLDEST "GLIBC_2.17"
#define JUMP "b "
#define FUNCTION "%function"
#define THROUGH_PLT ""
constexpr int kStatVersion = 0;
#else
#error "there is no package with an addon for this processor"
#endif

// A jump, so that dlopen and dlsym still see who calls them.
#define AS_OF_OLD(name)                                                              \
  asm(".pushsection .text\n"                                                         \
      ".symver oldest_" #name ", " #name "@" OLDEST                                  \
      "\n"                                                                           \
      ".globl " #name "\n.hidden " #name                                             \
      "\n"                                                                           \
      ".type " #name ", " FUNCTION "\n" #name ":\n" JUMP "oldest_" #name THROUGH_PLT \
      "\n"                                                                           \
      ".size " #name ", . - " #name                                                  \
      "\n"                                                                           \
      ".popsection\n")

AS_OF_OLD(dlclose);
AS_OF_OLD(dlerror);
AS_OF_OLD(dlopen);
AS_OF_OLD(dlsym);
AS_OF_OLD(pthread_attr_setstack);
AS_OF_OLD(pthread_attr_setstacksize);
AS_OF_OLD(pthread_create);
AS_OF_OLD(pthread_detach);
AS_OF_OLD(pthread_join);
AS_OF_OLD(pthread_once);
AS_OF_OLD(pthread_sigmask);
AS_OF_OLD(__pthread_key_create);

extern "C" {

// What is not there before 2.32 and 2.33.
[[gnu::visibility("hidden")]] extern char __libc_single_threaded;
// "Perhaps not": libstdc++ then counts references atomically.
char __libc_single_threaded = 0;

int __fxstat64(int version, int fd, struct stat64* buffer);

[[gnu::visibility("hidden")]] int fstat64(int fd, struct stat64* buffer) noexcept {
  return __fxstat64(kStatVersion, fd, buffer);
}

}  // extern "C"
