/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into dregrun: KILL_AT="CHILD FUNCTION" kills dregrun, as kill -9 would, at the moment
 * when its CHILDth child, between fork and exec, calls that function. Child 1 is the keeper. A third
 * word, "alone", refuses prctl: then the kernel does not end a rank with its parent.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pid_t dregrun;
static int wanted, children, refuses;
static char function[32];

__attribute__((constructor)) static void read_wish(void)
{
	const char *wish = getenv("KILL_AT");
	char more[8] = "";

	if (!wish)
		return;
	dregrun = getpid();
	sscanf(wish, "%d %31s %7s", &wanted, function, more);
	refuses = strcmp(more, "alone") == 0;
	/* The ranks are not dregrun. */
	unsetenv("KILL_AT");
}

/* The children run in dregrun's memory: they count together. */
static void called(const char *name)
{
	if (!dregrun || getpid() == dregrun)
		return;
	if (strcmp(name, "setsid") == 0)
		children++;
	if (children == wanted && strcmp(name, function) == 0)
		kill(dregrun, SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

pid_t setsid(void)
{
	called("setsid");
	return REAL(setsid)();
}

ssize_t write(int fd, const void *bytes, size_t count)
{
	called("write");
	return REAL(write)(fd, bytes, count);
}

int dup2(int from, int to)
{
	called("dup2");
	return REAL(dup2)(from, to);
}

int execvpe(const char *file, char *const words[], char *const environment[])
{
	called("execvpe");
	return REAL(execvpe)(file, words, environment);
}

int prctl(int option, ...)
{
	unsigned long argument[4];
	va_list arguments;

	called("prctl");
	if (refuses && dregrun && getpid() != dregrun) {
		errno = EPERM;
		return -1;
	}
	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		argument[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	return ((int (*)(int, ...))dlsym(RTLD_NEXT, "prctl"))(option, argument[0], argument[1],
							       argument[2], argument[3]);
}
