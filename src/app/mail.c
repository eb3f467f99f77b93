/* WHAT     mail.h.
 * WHY      No shell, and nothing of the message in the arguments: those are seen by everybody on
 *          the machine, and a message holds a token. The program gets no environment but PATH and
 *          HOME, for ours holds secrets (WEIR_OIDC_CLIENT_SECRET).
 * LIMITS   MAIL_SECONDS_MAX, then it is killed. A message is shorter than a pipe, so that writing
 *          it never waits for the reader.
 * THREADS  any that may block. */
#include "app/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/config.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/os.h"
#include "base/random.h"

enum { WORDS_MAX = 16, MESSAGE_BYTES_MAX = 32 << 10 /* a pipe holds 64 KiB */, ENV_BYTES = 1024 };

/* Cut at spaces, in place; the program is the first word. */
static enum rc cut_words(char *text, char *ret_words[WORDS_MAX + 1], struct err *err)
{
    size_t n = 0;
    char *rest = text, *word;
    ret_words[0] = NULL;
    while ((word = strsep(&rest, " "))) {
        if (!*word)
            continue;
        if (n == WORDS_MAX)
            return err_set(err, RC_INVALID, "mail.command has at most %d words", WORDS_MAX);
        ret_words[n++] = word;
        ret_words[n] = NULL;
    }
    return ret_words[0] ? RC_OK : err_set(err, RC_INVALID, "mail.command is blank");
}

static enum rc start(char *const *words, int stdin_fd, pid_t *ret_pid, struct err *err)
{
    char path[ENV_BYTES], home[ENV_BYTES];
    snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    snprintf(home, sizeof(home), "HOME=%s", getenv("HOME") ? getenv("HOME") : "/");
    char *env[] = {path, home, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, stdin_fd, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    /* Ours are close-on-exec; those of libraries (curl's socket pairs) are not. */
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0); /* it is killed with what it started */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int code = posix_spawnp(ret_pid, words[0], &actions, &attr, words, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? RC_OK : err_sys(err, code, "mail.command: cannot start %s", words[0]);
}

static bool ends_in_time(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    mono_ns deadline = mono_add_ms(mono_now(), MAIL_SECONDS_MAX * 1000);
    int ready = fd < 0 ? -1 : 0;
    while (fd >= 0 && ready == 0) {
        int64_t left_us = mono_diff_us(mono_now(), deadline);
        if (left_us <= 0)
            break;
        ready = poll(&wait, 1, (int)(left_us / 1000) + 1);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    os_close(fd);
    return ready > 0;
}

static enum rc finish(pid_t pid, struct err *err)
{
    int status = 0;
    bool is_late = !ends_in_time(pid);
    if (is_late)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (is_late)
        return err_set(err, RC_TIMEOUT, "mail.command took more than %d s", MAIL_SECONDS_MAX);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, RC_UNAVAILABLE, "mail.command ended with %s %d",
                       WIFEXITED(status) ? "code" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return RC_OK;
}

static enum rc run(char *const *words, struct slice message, struct err *err)
{
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, errno, "mail.command: cannot make a pipe");
    enum rc rc = start(words, ends[0], &pid, err);
    os_close(ends[0]);
    if (rc != RC_OK) {
        os_close(ends[1]);
        return rc;
    }
    IGNORE(os_write_all(ends[1], message.data, message.len, NULL),
           "who does not read it says so by its exit code");
    os_close(ends[1]);
    return finish(pid, err);
}

static enum rc pass_to_command(const char *setting, struct slice message, struct err *err)
{
    char command[CONFIG_TEXT_BYTES_MAX + 1], *words[WORDS_MAX + 1];
    snprintf(command, sizeof(command), "%s", setting);
    TRY(cut_words(command, words, err));
    must(words[0]);
    ENSURE(message.len <= MESSAGE_BYTES_MAX,
           err_set(err, RC_LIMIT, "the message is too long for mail.command"));
    return run(words, message, err);
}

bool mail_is_there(const struct mail *mail)
{
    return *mail->smtp_url || *mail->command;
}

enum rc mail_send(const struct mail *mail, const char *id, const struct mail_message *m,
                  struct err *err)
{
    uint8_t random[16];
    char made[2 * sizeof(random) + 1] = "";
    bool is_smtp = *mail->smtp_url;
    struct buf message;
    ENSURE(mail_is_there(mail), err_set(err, RC_UNSUPPORTED, "no mail is set up (mail.smtp_url)"));
    ENSURE(!is_smtp || *mail->from,
           err_set(err, RC_INVALID, "mail.from is needed beside mail.smtp_url"));
    random_bytes(random, sizeof(random));
    slice_hex(random, sizeof(random), made);
    buf_init(&message, MAIL_BYTES_MAX);
    enum rc rc = mail_write(m, mail->from, unix_now(), id ? id : made, is_smtp, &message, err);
    if (rc == RC_OK && is_smtp)
        rc = mail_smtp(mail, m->to, buf_slice(&message), err);
    else if (rc == RC_OK)
        rc = pass_to_command(mail->command, buf_slice(&message), err);
    buf_wipe(&message); /* a message holds a token */
    return rc;
}

static enum rc send_message(void *ctx, const char *to, const char *subject, const char *text,
                            struct err *err)
{
    return mail_send(ctx, NULL, &(struct mail_message){.to = to, .subject = subject, .text = text},
                     err);
}

struct access_mail mail_hook(const struct mail *mail)
{
    return (struct access_mail){.send = mail_is_there(mail) ? send_message : NULL,
                                .ctx = UNCONST(mail)};
}
