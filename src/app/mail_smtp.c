/* WHAT    Hands a message to an SMTP server by libcurl (mail.h).
 * WHY     A password, and messages with links that open accounts, go encrypted or not at all: over
 *         smtp:// STARTTLS is demanded, and certificates are checked. Only to this machine itself
 *         may it be plain.
 * THREADS any that may block. */
#include "app/mail.h"

#include <curl/curl.h>

enum { CONNECT_MS = 10000 };

struct upload {
    struct slice left;
};

static size_t give(char *to, size_t size, size_t count, void *ctx)
{
    struct upload *u = ctx;
    size_t n = size * count < u->left.len ? size * count : u->left.len;
    memcpy(to, u->left.data, n);
    u->left = slice_sub(u->left, n);
    return n;
}

static size_t take_nothing(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static bool is_this_machine(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *host = strstr(url, "://") + 3;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        size_t n = strlen(hosts[i]);
        if (strncasecmp(host, hosts[i], n) == 0 && (!host[n] || host[n] == ':' || host[n] == '/'))
            return true;
    }
    return false;
}

static enum rc set_server(CURL *curl, const struct mail *mail, struct err *err)
{
    bool is_tls = strncasecmp(mail->smtp_url, "smtps://", 8) == 0;
    ENSURE(is_tls || strncasecmp(mail->smtp_url, "smtp://", 7) == 0,
           err_set(err, RC_INVALID, "mail.smtp_url must begin with smtps:// or smtp://"));
    long tls = is_tls                            ? CURLUSESSL_ALL
               : is_this_machine(mail->smtp_url) ? CURLUSESSL_TRY
                                                 : CURLUSESSL_ALL;
    curl_easy_setopt(curl, CURLOPT_URL, mail->smtp_url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(curl, CURLOPT_USE_SSL, tls);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, MAIL_SECONDS_MAX * 1000L);
    if (*mail->smtp_ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, mail->smtp_ca_file);
    if (*mail->smtp_user) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, mail->smtp_user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, mail->smtp_password);
    }
    return RC_OK;
}

static enum rc explain(CURL *curl, CURLcode code, const char *text, struct err *err)
{
    long answer = 0;
    if (code == CURLE_OK)
        return RC_OK;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, RC_TIMEOUT, "the mail server took more than %d s", MAIL_SECONDS_MAX);
    if (answer >= 500 && answer < 600)
        return err_set(err, RC_INVALID, "the mail server refused the message: %ld", answer);
    return err_set(err, RC_UNAVAILABLE, "the mail server does not take the message: %s",
                   text[0] ? text : curl_easy_strerror(code));
}

static enum rc transfer(CURL *curl, const struct mail *mail, struct curl_slist *to,
                        struct slice message, struct err *err)
{
    struct upload upload = {.left = message};
    char text[CURL_ERROR_SIZE] = "";
    TRY(set_server(curl, mail, err));
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_nothing);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    return explain(curl, curl_easy_perform(curl), text, err);
}

enum rc mail_smtp(const struct mail *mail, const char *to, struct slice message, struct err *err)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, to);
    enum rc rc = curl && list ? transfer(curl, mail, list, message, err)
                              : err_set(err, RC_NOMEM, "no memory for a message");
    if (curl)
        curl_easy_cleanup(curl);
    curl_slist_free_all(list);
    return rc;
}
