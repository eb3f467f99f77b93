#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/must.h"

enum { IP_BYTES = 16 };

static struct ip from_bytes(const uint8_t bytes[IP_BYTES])
{
    struct ip a = {0, 0};
    for (int i = 0; i < 8; i++) {
        a.high = a.high << 8 | bytes[i];
        a.low = a.low << 8 | bytes[8 + i];
    }
    return a;
}

static struct ip from_v4(const struct in_addr *v4)
{
    uint32_t number = ntohl(v4->s_addr);
    return IP_V4(number >> 24, number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff);
}

bool ip_parse(struct slice text, struct ip *ret_address)
{
    char cstr[IP_TEXT_BYTES];
    struct in_addr v4;
    struct in6_addr v6;
    if (text.len == 0 || text.len >= sizeof(cstr) || memchr(text.data, '\0', text.len))
        return false;
    memcpy(cstr, text.data, text.len);
    cstr[text.len] = '\0';
    if (inet_pton(AF_INET, cstr, &v4) == 1)
        *ret_address = from_v4(&v4);
    else if (inet_pton(AF_INET6, cstr, &v6) == 1)
        *ret_address = from_bytes(v6.s6_addr);
    else
        return false;
    return true;
}

char *ip_format(struct ip address, char ret_text[IP_TEXT_BYTES])
{
    struct in_addr v4 = {htonl((uint32_t)address.low)};
    struct in6_addr v6;
    for (int i = 0; i < 8; i++) {
        v6.s6_addr[i] = (uint8_t)(address.high >> (56 - 8 * i));
        v6.s6_addr[8 + i] = (uint8_t)(address.low >> (56 - 8 * i));
    }
    bool is_v4 = ip_is_v4(address);
    must(inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? (const void *)&v4 : (const void *)&v6,
                   ret_text, IP_TEXT_BYTES));
    return ret_text;
}

bool ip_of_sockaddr(const struct sockaddr_storage *peer, struct ip *ret_address)
{
    switch (peer->ss_family) {
    case AF_INET:
        *ret_address = from_v4(&((const struct sockaddr_in *)peer)->sin_addr);
        return true;
    case AF_INET6:
        *ret_address = from_bytes(((const struct sockaddr_in6 *)peer)->sin6_addr.s6_addr);
        return true;
    case AF_UNIX:
        *ret_address = IP_V4(127, 0, 0, 1);
        return true;
    default:
        return false;
    }
}
