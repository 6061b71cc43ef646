// Runs a command and holds every fsync, fdatasync, syncfs and msync of it and its children back for some
// milliseconds before the system does it; counts them. A seccomp filter hands these calls to this process: no
// library is replaced, so programs that call the system themselves (Go) are delayed like all others.
//   sync-delay MS COUNT_FILE COMMAND...
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX 65536

struct waiting {
  uint64_t id;
  int64_t due_ns;
};

static struct waiting waiting[WAITING_MAX];
static unsigned first, last; // Free running: the delay is the same for all, so the first is due first.

static void die(const char *what) {
  perror(what);
  exit(111);
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int install_filter(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_syncfs, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_msync, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no new privileges");
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) die("seccomp");
  return listener;
}

static void pass_fd(int socket, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 0;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
                           .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int take_fd(int socket) {
  int fd;
  char control[CMSG_SPACE(sizeof fd)], byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
                           .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == NULL) exit(111);
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static void let_go(int listener, uint64_t id) {
  struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  // Fails where the caller was killed meanwhile.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void take_call(int listener, int64_t delay_ns, uint64_t *count) {
  struct seccomp_notif call;
  memset(&call, 0, sizeof call);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  *count += 1;
  if (delay_ns == 0 || last - first == WAITING_MAX) {
    let_go(listener, call.id);
    return;
  }
  waiting[last++ % WAITING_MAX] = (struct waiting){call.id, now_ns() + delay_ns};
}

static void supervise(int listener, int signals, pid_t child, int64_t delay_ns, uint64_t *count) {
  struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  for (;;) {
    struct timespec rest = {0, 0};
    int64_t due_ns = first == last ? -1 : waiting[first % WAITING_MAX].due_ns - now_ns();
    if (due_ns > 0) rest = (struct timespec){due_ns / 1000000000, due_ns % 1000000000};
    ppoll(polled, 2, first == last ? NULL : &rest, NULL);
    while (first != last && waiting[first % WAITING_MAX].due_ns <= now_ns())
      let_go(listener, waiting[first++ % WAITING_MAX].id);
    if (polled[1].revents & POLLIN) take_call(listener, delay_ns, count);
    else if (polled[1].revents != 0) polled[1].fd = -1;
    if (!(polled[0].revents & POLLIN)) continue;
    struct signalfd_siginfo signal;
    if (read(signals, &signal, sizeof signal) != sizeof signal) continue;
    int status;
    if (signal.ssi_signo != SIGCHLD) kill(child, (int)signal.ssi_signo);
    else if (waitpid(child, &status, WNOHANG) == child)
      exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int file = open(argv[2], O_RDWR | O_CREAT, 0666);
  if (file < 0 || ftruncate(file, sizeof(uint64_t)) != 0) die(argv[2]);
  uint64_t *count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (count == MAP_FAILED) die("mmap");
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
  sigset_t taken, before;
  sigemptyset(&taken);
  int forwarded[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
  for (unsigned i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&taken, forwarded[i]);
  sigprocmask(SIG_BLOCK, &taken, &before);
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listener = install_filter();
    pass_fd(pair[1], listener);
    close(listener);
    execvp(argv[3], argv + 3);
    die(argv[3]);
  }
  close(pair[1]);
  prctl(PR_SET_TIMERSLACK, 1);
  int listener = take_fd(pair[0]);
  int signals = signalfd(-1, &taken, SFD_CLOEXEC);
  supervise(listener, signals, child, (int64_t)(atof(argv[1]) * 1e6), count);
}
