/* WHAT    What kind of device a user agent speaks of, and whether a program sent it: by words.
 * WHY     uap-core names devices but no kinds, and its spiders are no list of bots.
 * HOW     The texts here are in lower case: parse.c has folded them. The order of the questions is
 *         the rule: a television's browser says "Linux" and "Android", a tablet's says "Mobile".
 * THREADS none. */
#include "ua/ua_int.h"

const char *ua_device_name(enum ua_device device)
{
    static const char *const names[UA_DEVICE_COUNT] = {
        "", "desktop", "mobile", "tablet", "tv", "console", "wearable", "embedded", "bot"};
    return device < UA_DEVICE_COUNT ? names[device] : "";
}

const char *ua_reason_name(enum ua_reason reason)
{
    static const char *const names[UA_REASON_COUNT] = {"", "list", "headless", "tool", "network"};
    return reason < UA_REASON_COUNT ? names[reason] : "";
}

bool ua_has(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

bool ua_has_any(struct slice text, const char *const *words)
{
    for (; *words; words++)
        if (ua_has(text, *words))
            return true;
    return false;
}

static bool begins_with_any(struct slice text, const char *const *words)
{
    for (; *words; words++)
        if (slice_has_prefix(text, slice_str(*words)))
            return true;
    return false;
}

/* ---- programs ---- */
/* SDKs that send what happened in an application: the sender is a server, the event is no bot's.
 * "node" and "undici" are what SDKs send that leave the name to the runtime's fetch. */
bool ua_is_server_sdk(struct slice ua)
{
    static const char *const prefixes[] = {"mozilla/5.0 umami/",
                                           "umami",
                                           "posthog-",
                                           "posthog/",
                                           "analytics-node",
                                           "analytics-python",
                                           "analytics-ruby",
                                           "analytics-go",
                                           "analytics-java",
                                           "analytics-php",
                                           "analytics-net",
                                           "analytics.net",
                                           "analytics-swift",
                                           "analytics-kotlin",
                                           "analytics-android",
                                           "analytics-ios",
                                           "analytics-rust",
                                           "analytics-react-native",
                                           "analytics-flutter",
                                           "rudder",
                                           "openpanel",
                                           "rybbit",
                                           "jitsu",
                                           "snowplow",
                                           "plausible",
                                           "goatcounter",
                                           "weir",
                                           "undici",
                                           "deno/",
                                           "bun/",
                                           NULL};
    return slice_eq_str(ua, "node") || slice_has_prefix(ua, SLICE_LIT("node/")) ||
           begins_with_any(ua, prefixes);
}

enum ua_reason ua_reason_of(struct slice ua)
{
    static const char *const driven[] = {"headless",   "phantomjs", "slimerjs",  "puppeteer",
                                         "playwright", "selenium",  "webdriver", "cypress/",
                                         "zombie.js",  "htmlunit",  "splash/",   NULL};
    static const char *const tools[] = {"curl/",
                                        "curl ",
                                        "wget",
                                        "libcurl",
                                        "pycurl",
                                        "python-",
                                        "python/",
                                        "aiohttp/",
                                        "go-http-client/",
                                        "go-resty/",
                                        "okhttp/",
                                        "java/",
                                        "apache-http",
                                        "jakarta commons-httpclient/",
                                        "jersey/",
                                        "ktor-client",
                                        "reactornetty/",
                                        "vert.x-",
                                        "akka-http/",
                                        "ahc/",
                                        "feign/",
                                        "libwww-perl/",
                                        "lwp::",
                                        "lwp-",
                                        "perl",
                                        "ruby",
                                        "rest-client/",
                                        "faraday",
                                        "typhoeus",
                                        "mechanize",
                                        "php/",
                                        "guzzle",
                                        "symfony ",
                                        "php-curl",
                                        "httpie/",
                                        "postmanruntime/",
                                        "insomnia/",
                                        "paw/",
                                        "bruno",
                                        "got/",
                                        "got (",
                                        "axios/",
                                        "node-fetch",
                                        "node-superagent/",
                                        "superagent",
                                        "winhttp",
                                        "microsoft-winhttp",
                                        "restsharp/",
                                        "httpclient",
                                        "reqwest/",
                                        "hyper/",
                                        "ureq/",
                                        "isahc/",
                                        "fasthttp",
                                        "aria2/",
                                        "lftp/",
                                        "apachebench/",
                                        "siege/",
                                        "vegeta",
                                        "k6/",
                                        "wrk/",
                                        "hey/",
                                        "locust",
                                        "gatling",
                                        "jmeter",
                                        "apache-jmeter",
                                        "grpc-",
                                        "http_request",
                                        "httpx",
                                        "fetch libfetch",
                                        "drill/",
                                        "oha/",
                                        "mozilla/5.0 (compatible; curl",
                                        NULL};
    if (ua.len == 0)
        return UA_TOOL;
    if (ua_has_any(ua, driven))
        return UA_HEADLESS;
    return begins_with_any(ua, tools) || ua_has(ua, "windowspowershell/") ? UA_TOOL : UA_PERSON;
}

/* ---- kinds of devices ---- */
static bool is_tv(struct slice ua, const struct ua_said *said)
{
    static const char *const words[] = {
        "smart-tv", "smarttv",   "smart tv",     "smart_tv",      "appletv",  "apple tv",
        "googletv", "google tv", "android tv",   "androidtv",     "hbbtv",    "netcast",
        "web0s",    "webos.tv",  "bravia",       "roku",          "viera",    "dlnadoc",
        "mitv",     "mibox",     "crkey",        "inettvbrowser", "opera tv", "philipstv",
        "nettv/",   "ce-html",   "large screen", "shield tv",     "; aft",    "tvos",
        "aquostv",  "toshibatp", "dtv/",         "tv safari",     "vidaa",    NULL};
    return ua_has_any(ua, words) || slice_eq_str(said->os, "ATV OS X") ||
           slice_eq_str(said->os, "tvOS") || slice_eq_str(said->os, "Chromecast") ||
           slice_eq_str(said->brand, "Generic_Inettv");
}

static bool is_console(struct slice ua)
{
    static const char *const words[] = {"playstation", "xbox",       "nintendo", "(psp ", "psp (",
                                        "steamdeck",   "steam deck", "ouya",     NULL};
    return ua_has_any(ua, words);
}

static bool is_wearable(struct slice ua, const struct ua_said *said)
{
    static const char *const words[] = {
        "watch os", "watchos",       "apple watch", "wear os",      "galaxy watch", "; sm-r8",
        "; sm-r9",  "oculusbrowser", "; quest",     "google glass", "apple vision", NULL};
    return ua_has_any(ua, words) || slice_eq_str(said->os, "WatchOS");
}

static bool is_embedded(struct slice ua)
{
    static const char *const words[] = {"tesla/",
                                        "qtcarbrowser",
                                        "android automotive",
                                        "familyhub",
                                        "carplay",
                                        "smartfridge",
                                        "; aeo",
                                        NULL};
    return ua_has_any(ua, words);
}

static bool is_tablet(struct slice ua, const struct ua_said *said)
{
    static const char *const words[] = {"ipad",      "playbook", "kindle",     "nexus 7",
                                        "nexus 9",   "nexus 10", "; sm-t",     "; sm-x",
                                        "; sm-p",    "; gt-p",   "lenovo tb",  "xoom",
                                        "hp-tablet", "; kf",     "rim tablet", NULL};
    bool is_mute = slice_has_prefix(ua, SLICE_LIT("dalvik/")) || ua_has(ua, "opera mini");
    if (ua_has_any(ua, words) || slice_eq_str(said->brand, "Generic_Android_Tablet"))
        return true;
    if (ua_has(ua, "tablet") && !ua_has(ua, "tablet pc"))
        return true;
    /* Android's browsers say "Mobile" on telephones and nothing on tablets; applications and Opera
     * Mini say nothing at all. */
    return slice_eq_str(said->os, "Android") && ua_has(ua, "android") && !ua_has(ua, "mobile") &&
           !is_mute;
}

static bool is_mobile(struct slice ua, const struct ua_said *said)
{
    static const char *const words[] = {
        "mobi",       "iphone",     "ipod",       "android",    "windows phone", "windows ce",
        "blackberry", "bb10",       "opera mini", "symb",       "series60",      "series40",
        "midp",       "j2me",       "kaios",      "up.browser", "docomo",        "nokia",
        "palmos",     "palmsource", "bada/",      NULL};
    static const char *const systems[] = {"iOS",           "Android",    "KaiOS",
                                          "Windows Phone", "Symbian OS", "Windows Mobile",
                                          "BlackBerry OS", NULL};
    for (const char *const *os = systems; *os; os++)
        if (slice_eq_str(said->os, *os))
            return true;
    return ua_has_any(ua, words) || slice_eq_str(said->model, "Smartphone") ||
           slice_eq_str(said->family, "Generic Feature Phone");
}

static bool is_desktop(struct slice ua, const struct ua_said *said)
{
    static const char *const words[] = {
        "windows", "macintosh", "mac os", "x11;",  "linux", "cros ", "bsd",   "sunos",
        "darwin/", "win64",     "win32",  "win98", "win95", "os/2",  "haiku", NULL};
    return ua_has_any(ua, words) || slice_eq_str(said->os, "Windows");
}

enum ua_device ua_device_of(struct slice ua, const struct ua_said *said)
{
    if (is_console(ua)) /* before tv: "PlayStation" with "DTV" */
        return UA_CONSOLE;
    if (is_tv(ua, said))
        return UA_TV;
    if (is_wearable(ua, said))
        return UA_WEARABLE;
    if (is_embedded(ua))
        return UA_EMBEDDED;
    if (is_tablet(ua, said))
        return UA_TABLET;
    if (is_mobile(ua, said))
        return UA_MOBILE;
    return is_desktop(ua, said) ? UA_DESKTOP : UA_DEVICE_UNKNOWN;
}
