#!/usr/bin/env python3
"""Turns the rules for user agents (npm packages uap-core, crawler-user-agents, isbot) into the C tables of src/ua/ua_int.h.

  tools/ua_data.py NODE_MODULES OUT.c [DEPFILE]

Each rule is a regular expression. For each the literals are derived without which it cannot match ("atoms", lower case): one
automaton then finds the atoms of a text, and only rules whose atoms are there are tried. All readers here are strict: a form
that they do not know ends the build, for a rule misread would be a browser miscounted. The narrow YAML of uap-core
(sections, items, quoted scalars) is read by hand, so that a build needs no YAML library.
"""

import json
import re
import sys

SET_MAX = 16  # strings that one piece of a rule may stand for before it is cut into clauses
ALTERNATIVES_MAX = 1000
ATOM_BYTES_MAX = 16
CLAUSES_MAX = 4
CLASS_MAX = 4
FIELDS_MAX = 5
PLACEHOLDERS_MAX = 9
LISTS = ("browser", "os", "device", "bot")
SECTIONS = {  # of regexes.yaml: name of the list, keys of its fields, in their order
    "user_agent_parsers": ("browser", ("family_replacement", "v1_replacement", "v2_replacement", "v3_replacement")),
    "os_parsers": ("os", ("os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement", "os_v4_replacement")),
    "device_parsers": ("device", ("device_replacement", "brand_replacement", "model_replacement")),
}
# A literal that most of these hold says little about a rule.
TYPICAL = [t.lower() for t in (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/126.0.6478.71 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/469.0.0.46.86;]",
    "Mozilla/5.0 (Linux; U; Android 9; en-us; Redmi Note 8 Build/PKQ1.190616.001) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/89.0.4389.116 Mobile Safari/537.36 XiaoMi/MiuiBrowser/12.25.2-gn",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; .NET CLR 3.5.30729)",
)]


class Unknown(Exception):
    pass


# ---- the literals of a regular expression --------------------------------------------------------------------------

class Info:
    """What a piece of a rule needs: exact, all the strings it can match, or clauses, sets of which one string must occur."""

    def __init__(self, exact=None, clauses=()):
        self.exact = exact
        self.clauses = tuple(clauses)

    def as_clauses(self):
        if self.exact is None:
            return self.clauses
        return clause_of(self.exact)


NOTHING = Info()
EMPTY = Info(frozenset([""]))


def clause_of(strings):
    """The set as a clause, or none: a string of one byte says too little, the empty one nothing."""
    if not strings or min(map(len, strings)) < 2:
        return ()
    return (frozenset(s[:ATOM_BYTES_MAX] for s in strings),)


def cost(clause):
    """How many typical texts hold one of the strings; among equals the one with the longer strings, then the smaller set."""
    return sum(any(s in t for s in clause) for t in TYPICAL), -min(map(len, clause)), len(clause)


def concat(items):
    exact, clauses, is_cut = frozenset([""]), [], False
    for item in items:
        if item.exact is not None and len(item.exact) * len(exact) <= SET_MAX:
            exact = frozenset(a + b for a in exact for b in item.exact)
            continue
        is_cut = True
        clauses += clause_of(exact)
        exact = item.exact if item.exact is not None and len(item.exact) <= SET_MAX else frozenset([""])
        clauses += () if exact is item.exact else item.as_clauses()
    if not is_cut:
        return Info(exact)
    return Info(None, clauses + list(clause_of(exact)))


def alternate(items):
    if all(i.exact is not None for i in items):
        exact = frozenset().union(*(i.exact for i in items))
        if len(exact) <= ALTERNATIVES_MAX:
            return Info(exact)
        return NOTHING
    best = [min(i.as_clauses(), key=cost, default=None) for i in items]
    if None in best:
        return NOTHING
    union = frozenset().union(*best)
    return Info(None, [union]) if len(union) <= ALTERNATIVES_MAX else NOTHING


def repeat(item, low, high):
    if low == 0:
        if high == 1 and item.exact is not None:
            return Info(item.exact | {""})
        return NOTHING
    if low == high and item.exact is not None and len(item.exact) == 1:
        return concat([item] * low)
    return item if low == high == 1 else Info(None, item.as_clauses())


class Regex:
    """A reader of the forms that the three packages use. Sets info, groups (capturing ones) and pcre, the pattern as PCRE2
    takes it."""

    def __init__(self, text):
        self.text, self.at, self.groups, self.pcre = text, 0, 0, text
        self.info = self.alternatives()
        if self.at != len(text):
            self.fail("unbalanced )")

    def fail(self, why):
        raise Unknown(f"{why} at {self.at} of the regular expression {self.text}")

    def peek(self, literal):
        return self.text.startswith(literal, self.at)

    def take(self, literal):
        if self.peek(literal):
            self.at += len(literal)
            return True
        return False

    def alternatives(self):
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else alternate(branches)

    def sequence(self):
        items = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items.append(self.quantified(self.item()))
        return concat(items)

    def item(self):
        c = self.text[self.at]
        if c in "*+?{":
            self.fail("nothing to repeat")
        self.at += 1
        if c == "(":
            return self.group()
        if c == "[":
            return self.char_class()
        if c == "\\":
            return self.escape()
        if c in "^$":
            return EMPTY
        if c == ".":
            return NOTHING
        return self.literal(c)

    def literal(self, c):
        # The automaton goes over bytes and folds ASCII letters; so does PCRE2 without UTF.
        if ord(c) > 126 or ord(c) < 32:
            self.fail("a character outside ASCII")
        return Info(frozenset([c.lower()]))

    def group(self):
        is_empty = False
        if self.take("?"):
            if self.take("=") or self.take("!") or self.take("<=") or self.take("<!"):
                is_empty = True  # looks around: matches nothing itself, and what it asks for is not used
            elif not self.take(":"):
                self.fail("an unknown group")
        else:
            self.groups += 1
        info = self.alternatives()
        if not self.take(")"):
            self.fail("missing )")
        return EMPTY if is_empty else info

    def escape(self):
        c = self.text[self.at:self.at + 1]
        self.at += 1
        if c in ("d", "w", "s", "D", "W", "S"):
            return NOTHING
        if c in ("b", "B"):
            return EMPTY
        if not c or c.isalnum():
            self.fail("an unknown escape")
        return self.literal(c)

    def char_class(self):
        start, negated, chars, is_wide = self.at, self.take("^"), set(), False
        if self.peek("]"):
            self.fail("an empty class")
        while not self.take("]"):
            if self.at >= len(self.text) or self.peek("["):
                self.fail("an unknown class")
            c = self.text[self.at]
            self.at += 1
            if c == "\\":
                c = self.text[self.at]
                self.at += 1
                if c in "dwsDWS":
                    is_wide = True
                    self.escape_hyphen()
                    continue
                if c.isalnum():
                    self.fail("an unknown escape in a class")
            if self.peek("-") and self.text[self.at + 1:self.at + 2] != "]":
                high = self.text[self.at + 1]
                if ord(high) < ord(c) and not is_wide:
                    self.fail("an odd range")
                is_wide = True
                if high == "\\":
                    self.fail("a range up to an escape")
                self.at += 2
                continue
            chars.add(c)
        if not negated and any(ord(c) > 126 for c in chars):
            self.fail(f"a character outside ASCII in the class at {start}")
        folded = frozenset(c.lower() for c in chars)
        return NOTHING if negated or is_wide or len(folded) > CLASS_MAX else Info(folded)

    def escape_hyphen(self):
        """A hyphen behind \\d is itself, says JavaScript; PCRE2 wants it escaped."""
        if self.peek("-") and not self.peek("-]"):
            behind = len(self.pcre) - len(self.text) + self.at
            self.pcre = self.pcre[:behind] + "\\" + self.pcre[behind:]
            self.at += 1

    def quantified(self, item):
        m = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}").match(self.text, self.at)
        if not m:
            if self.peek("{"):
                self.fail("an unknown quantifier")
            return item
        self.at = m.end()
        if not self.take("?") and self.peek("+"):
            self.fail("a possessive quantifier")
        if m[0] in "*+?":
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[m[0]]
        else:
            low = int(m[1])
            high = low if not m[2] else int(m[3]) if m[3] else None
        return repeat(item, low, high)


def clauses(info):
    """The clauses that are worth asking, the most telling one first."""
    ordered = sorted(set(info.as_clauses()), key=lambda c: (cost(c), sorted(c)))
    kept = []
    for clause in ordered:
        # A clause adds nothing if each string of one that is kept holds one of its strings.
        if not any(all(any(s in t for s in clause) for t in k) for k in kept):
            kept.append(clause)
    return kept[:CLAUSES_MAX]


# ---- rules ---------------------------------------------------------------------------------------------------------

class Rule:
    def __init__(self, pattern, is_caseless, fields):
        self.is_caseless, self.fields = is_caseless, fields
        self.regex = Regex(pattern)
        self.pattern = self.regex.pcre
        self.clauses = clauses(self.regex.info)


def read_yaml(path):
    """regexes.yaml as {section: [{key: value}]}."""
    sections, section = {}, None
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            line = line.rstrip()
            if not line or re.match(r" *#", line):
                continue
            m = re.fullmatch(r"(\w+):", line)
            if m:
                section = sections.setdefault(m[1], [])
                continue
            m = re.fullmatch(r"(  - |    )(\w+): *(?:'((?:[^']|'')*)'|\"([^\"\\]*)\")(?: *#.*)?", line)
            if not m or section is None or (m[1] == "    " and not section):
                raise Unknown(f"{path}:{n}: not understood: {line}")
            if m[1] == "  - ":
                section.append({})
            if m[2] in section[-1]:
                raise Unknown(f"{path}:{n}: {m[2]} twice")
            section[-1][m[2]] = m[3].replace("''", "'") if m[3] is not None else m[4]
    return sections


def rule_of(item, keys, kind):
    unknown = set(item) - {"regex", "regex_flag", *keys}
    if unknown or item.get("regex_flag", "i") != "i":
        raise Unknown(f"keys of a rule: {item}")
    rule = Rule(item["regex"], "regex_flag" in item, [])
    defaults = [1, None, 1] if kind == "device" else range(1, len(keys) + 1)
    for key, group in zip(keys, defaults):
        text = item.get(key)
        if text is None:
            text = f"${group}" if group and group <= rule.regex.groups else ""
        if any(int(d) > PLACEHOLDERS_MAX or int(d) < 1 for d in re.findall(r"\$(\d)", text)):
            raise Unknown(f"placeholder of {key}: {text}")
        rule.fields.append(text)
    return rule


def read_uap(path):
    sections = read_yaml(path)
    if set(sections) != set(SECTIONS):
        raise Unknown(f"{path}: sections {sorted(sections)}")
    return {kind: [rule_of(item, keys, kind) for item in sections[name]] for name, (kind, keys) in SECTIONS.items()}


def read_bots(crawlers, isbot):
    with open(crawlers, encoding="utf-8") as f:
        rules = [Rule(entry["pattern"], False, []) for entry in json.load(f)]
    with open(isbot, encoding="utf-8") as f:
        m = re.search(r"^var patterns_default = (\[\n(?:  \"[^\n]*\",?\n)+\]);$", f.read(), re.M)
    if not m:
        raise Unknown(f"{isbot}: no list of patterns")
    return rules + [Rule(pattern, True, []) for pattern in json.loads(m[1])]


# ---- C -------------------------------------------------------------------------------------------------------------

def quoted(text):
    out = ""
    for b in text.encode():
        out += chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}"
    return f'"{out}"'


def write(lists, out):
    atoms = sorted({a for rules in lists.values() for rule in rules for c in rule.clauses for a in c})
    place = {a: i for i, a in enumerate(atoms)}
    # A rule's clauses: each its number of atoms and these, the first clause first; 0 ends them.
    words, offsets, lines = [0], {(): 0}, []
    for name in LISTS:
        for rule in lists[name]:
            key = tuple(tuple(sorted(place[a] for a in c)) for c in rule.clauses)
            if key not in offsets:
                offsets[key] = len(words)
                words += [w for c in key for w in (len(c), *c)] + [0]
            fields = ", ".join(quoted(f) if f else "NULL" for f in rule.fields) or "NULL"
            lines.append(f"    {{{quoted(rule.pattern)}, {{{fields}}}, {offsets[key]}, {str(rule.is_caseless).lower()}}},")
    if len(atoms) > 65535 or len(words) > 65535 * 64:
        raise Unknown("too many literals")
    bounds = [0]
    for name in LISTS:
        bounds.append(bounds[-1] + len(lists[name]))
    out.write("/* Made by tools/ua_data.py from npm packages. */\n#include \"ua/ua_int.h\"\n\n")
    out.write("const struct ua_rule ua_rules[] = {\n" + "\n".join(lines) + "\n};\n")
    out.write(f"const uint32_t ua_list_begin[UA_LIST_COUNT + 1] = {{{', '.join(map(str, bounds))}}};\n")
    out.write("const char *const ua_atoms[] = {\n" + "\n".join(f"    {quoted(a)}," for a in atoms) + "\n};\n")
    out.write(f"const uint32_t ua_atom_count = {len(atoms)};\n")
    out.write("const uint16_t ua_clauses[] = {\n")
    for i in range(0, len(words), 16):
        out.write("    " + " ".join(f"{w}," for w in words[i:i + 16]) + "\n")
    out.write("};\n")


def main():
    folder, target = sys.argv[1:3]
    sources = [f"{folder}/{f}" for f in ("uap-core/regexes.yaml", "crawler-user-agents/crawler-user-agents.json", "isbot/index.mjs")]
    try:
        lists = read_uap(sources[0])
        lists["bot"] = read_bots(*sources[1:])
        with open(target, "w", encoding="ascii") as f:
            write(lists, f)
    except (Unknown, OSError) as e:
        sys.exit(f"ua_data: {e}")
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            f.write(f"{target}: {' '.join(sources)}\n")


if __name__ == "__main__":
    main()
