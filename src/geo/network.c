/* WHAT   What kind of network an autonomous system is, by its number, else by its name.
 * WHY    A page that is asked for from a datacentre is seldom looked at by a person. What carries
 *        people's traffic although it is a network of servers is left out on purpose: Cloudflare
 *        (13335), Fastly (54113) and Akamai's relay (36183), which iCloud Private Relay and WARP
 *        come out of, and the web gateways of companies (Zscaler and others).
 * LAYOUT Sorted, for a binary search; numbers as registered with the regional registries. */
#include <stdlib.h>

#include "base/attr.h"
#include "geo/geo.h"

static const uint32_t hosting[] = {
    7203,   /* Leaseweb USA */
    7979,   /* Servers.com */
    8068,   /* Microsoft */
    8069,   /* Microsoft */
    8070,   /* Microsoft */
    8075,   /* Microsoft Azure */
    8100,   /* QuadraNet */
    8560,   /* IONOS */
    8972,   /* Host Europe */
    9009,   /* M247 */
    9370,   /* Sakura Internet */
    9371,   /* Sakura Internet */
    10439,  /* CariNet */
    12876,  /* Scaleway */
    13213,  /* UK2 */
    13649,  /* Flexential */
    13768,  /* Aptum */
    14061,  /* DigitalOcean */
    14618,  /* Amazon */
    15169,  /* Google */
    15395,  /* Rackspace */
    15497,  /* 1 Cloud Lab */
    16265,  /* Leaseweb Netherlands */
    16276,  /* OVH */
    16509,  /* Amazon */
    17216,  /* DC74 */
    18450,  /* WebNX */
    18779,  /* EGIHosting */
    18978,  /* Enzu */
    19318,  /* Interserver */
    19527,  /* Google */
    19531,  /* NodesDirect */
    19551,  /* Incapsula */
    19871,  /* Network Solutions */
    19994,  /* Rackspace */
    20068,  /* Hawk Host */
    20278,  /* Nexeon */
    20454,  /* SecuredServers */
    20473,  /* Vultr */
    20773,  /* Host Europe */
    20860,  /* iomart */
    21409,  /* Ikoula */
    21501,  /* GoDaddy Europe */
    21859,  /* Zenlayer */
    22552,  /* eSited */
    22612,  /* Namecheap */
    23033,  /* Wowrack */
    23342,  /* UnitedLayer */
    23352,  /* Deft */
    23470,  /* ReliableSite */
    23724,  /* IDC China Telecom */
    24940,  /* Hetzner */
    24961,  /* WIIT (myLoc) */
    24971,  /* Master Internet */
    25369,  /* Hydra */
    25780,  /* HugeServers */
    25820,  /* IT7 (BandwagonHost) */
    26347,  /* DreamHost */
    26496,  /* GoDaddy */
    27357,  /* Rackspace */
    28753,  /* Leaseweb Germany */
    28907,  /* Mirohost */
    29066,  /* velia.net */
    29169,  /* Gandi */
    29802,  /* Hivelocity */
    30633,  /* Leaseweb USA */
    31898,  /* Oracle Cloud */
    32181,  /* GigeNET */
    32244,  /* Liquid Web */
    32489,  /* Amanah */
    32613,  /* Leaseweb Canada */
    33070,  /* Rackspace */
    33083,  /* AxcelX */
    33182,  /* HostDime */
    33387,  /* Nocix */
    34788,  /* Neue Medien Muennich */
    35366,  /* ISPpro */
    35415,  /* Webzilla */
    35540,  /* OVH */
    35916,  /* MULTACOM */
    36351,  /* IBM Cloud (SoftLayer) */
    36352,  /* HostPapa (ColoCrossing) */
    36666,  /* GTHost */
    37963,  /* Alibaba Cloud */
    39729,  /* Register.it */
    40065,  /* CNSERVERS */
    40156,  /* The Optimal Link */
    40244,  /* Turnkey Internet */
    40676,  /* Psychz */
    41079,  /* cyber_Folks */
    42331,  /* FREEHOST */
    42473,  /* Anexia */
    42708,  /* GleSYS */
    42730,  /* EVANZO */
    42831,  /* UK Dedicated Servers */
    43317,  /* VEESP */
    43350,  /* NForce */
    44066,  /* First Colo */
    45090,  /* Tencent Cloud */
    45102,  /* Alibaba Cloud */
    46261,  /* QuickPacket */
    46475,  /* Limestone Networks */
    46562,  /* Performive */
    46606,  /* Unified Layer (Bluehost) */
    46636,  /* NatCoWeb */
    46652,  /* DigitalOcean */
    46664,  /* VolumeDrive */
    46844,  /* Sharktech */
    47447,  /* 23M */
    47583,  /* Hostinger */
    49349,  /* DotSi */
    49367,  /* Seflow */
    49505,  /* Selectel */
    49532,  /* serverhub */
    49544,  /* i3D.net */
    49981,  /* WorldStream */
    50297,  /* Infium */
    50673,  /* Serverius */
    51167,  /* Contabo */
    51395,  /* Datasource */
    51430,  /* AltusHost */
    51765,  /* Oy Crea Nova */
    53667,  /* FranTech (BuyVM) */
    53755,  /* IOFLOOD */
    53850,  /* GorillaServers */
    54290,  /* HostPapa (Hostwinds) */
    54489,  /* CoreSpace */
    54500,  /* EGIHosting */
    54641,  /* InMotion */
    54825,  /* Equinix Metal (Packet) */
    55286,  /* Server-Mania */
    55293,  /* A2 Hosting */
    55933,  /* Cloudie */
    55967,  /* Baidu */
    55990,  /* Huawei Cloud */
    56322,  /* ServerAstra */
    56630,  /* Melbikomas */
    57043,  /* Hostkey */
    57169,  /* EDIS */
    58061,  /* Scalaxy */
    58073,  /* YISP */
    59253,  /* Leaseweb Asia */
    59432,  /* GINERNET */
    60011,  /* Mythic Beasts */
    60068,  /* Datacamp (CDN77) */
    60404,  /* Liteserver */
    60558,  /* Phoenix NAP */
    60626,  /* Leaseweb */
    60781,  /* Leaseweb Netherlands */
    61098,  /* Exoscale */
    62240,  /* Clouvider */
    62282,  /* Delska */
    62370,  /* Snel */
    62468,  /* VpsQuan */
    62471,  /* HostDime */
    62563,  /* GTHost */
    62838,  /* Reprise hosting */
    63199,  /* CDS Global Cloud */
    63473,  /* HostHatch */
    63949,  /* Akamai Connected Cloud (Linode) */
    132203, /* Tencent Cloud */
    132591, /* Tencent Cloud */
    132839, /* Power Line datacentre */
    133296, /* Web Werks */
    133752, /* Leaseweb Hong Kong */
    134963, /* Alibaba Cloud */
    135377, /* UCloud */
    136907, /* Huawei Cloud */
    137409, /* GSL Networks */
    138915, /* Kaopu Cloud */
    139070, /* Google Cloud */
    139190, /* Google Cloud */
    139341, /* Tencent Cloud */
    141995, /* Contabo Asia */
    149440, /* Evoxt */
    197540, /* netcup */
    197695, /* REG.RU */
    198203, /* RouteLabel */
    199524, /* G-Core */
    199883, /* ArubaCloud */
    200019, /* Alexhost */
    200350, /* Yandex Cloud */
    200651, /* Flokinet */
    201814, /* MEVSPACE */
    202015, /* HZ Hosting */
    202053, /* UpCloud */
    202422, /* G-Core */
    202425, /* IP Volume */
    202448, /* MVPS */
    203020, /* HostRoyale */
    204601, /* Zomro */
    204957, /* GREEN FLOID */
    205016, /* HERN Labs */
    205544, /* Leaseweb UK */
    206264, /* Amarutu */
    206728, /* Media Land */
    206804, /* EstNOC */
    207990, /* HostRoyale */
    209588, /* Flyservers */
    209854, /* Cyberzone */
    210644, /* AEZA */
    212238, /* Datacamp */
    213230, /* Hetzner */
    262287, /* Latitude.sh */
    264649, /* NUT HOST */
    328608, /* Africa on Cloud */
    394380, /* Leaseweb USA */
    395954, /* Leaseweb USA */
    395973, /* Google Cloud */
    396190, /* Leaseweb USA */
    396356, /* Latitude.sh */
    396362, /* Leaseweb USA */
    396982, /* Google Cloud */
    397423, /* Tier.Net */
    398101, /* GoDaddy */
    398722, /* Censys */
};

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* As a whole word, but for a final s; upper and lower case are one. */
static bool has_word(struct slice text, struct slice word)
{
    for (size_t at = 0; at + word.len <= text.len; at++) {
        size_t end = at + word.len;
        if (!slice_eq_nocase(slice_of(text.data + at, word.len), word) ||
            (at > 0 && is_word_byte(text.data[at - 1])))
            continue;
        if (end < text.len && (text.data[end] | 0x20) == 's')
            end++;
        if (end == text.len || !is_word_byte(text.data[end]))
            return true;
    }
    return false;
}

enum geo_network geo_network_of(uint32_t asn, struct slice organisation)
{
    static const struct slice words[] = {
        SLICE_CONST("hosting"),     SLICE_CONST("datacenter"), SLICE_CONST("datacentre"),
        SLICE_CONST("data center"), SLICE_CONST("colocation"), SLICE_CONST("cloud"),
        SLICE_CONST("vps"),         SLICE_CONST("server"),
    };
    if (asn && bsearch(&asn, hosting, COUNT_OF(hosting), sizeof(*hosting), compare))
        return GEO_NETWORK_DATACENTRE;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (has_word(organisation, words[i]))
            return GEO_NETWORK_DATACENTRE;
    return asn ? GEO_NETWORK_ISP : GEO_NETWORK_UNKNOWN;
}

const char *geo_network_name(enum geo_network network)
{
    static const char *const names[GEO_NETWORK_COUNT] = {
        [GEO_NETWORK_UNKNOWN] = "",
        [GEO_NETWORK_ISP] = "isp",
        [GEO_NETWORK_DATACENTRE] = "datacentre",
        [GEO_NETWORK_VPN] = "vpn",
        [GEO_NETWORK_TOR] = "tor",
    };
    return names[network];
}
