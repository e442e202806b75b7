"""Verifies metered code objects against the plain ones, from opcode's tables alone.

Independent of worker/meter_*: it decodes the bytes itself, follows all ways through the code, and looks at
jumps, exception table, stack depth, positions, and at what is prepaid at every point.
"""
import dis
import opcode

CACHES = opcode._inline_cache_entries
OP = opcode.opmap
EXTENDED, LOAD_CONST, FOR_ITER = OP["EXTENDED_ARG"], OP["LOAD_CONST"], OP["FOR_ITER"]
RESUME, YIELD, PUSH_EXC = OP["RESUME"], OP["YIELD_VALUE"], OP["PUSH_EXC_INFO"]
ENDS = {OP["RETURN_VALUE"], OP["RAISE_VARARGS"], OP["RERAISE"]}
JUMPS = set(opcode.hasjrel)
BACKWARD = {op for op in JUMPS if "BACKWARD" in opcode.opname[op]}
ALWAYS = {op for op in JUMPS if opcode.opname[op].startswith("JUMP_") and "_IF_" not in opcode.opname[op]}
GENERATORS = 0x20 | 0x80 | 0x200  # generator, coroutine, asynchronous generator
assert not opcode.hasjabs


class Fault(Exception):
    pass


def need(condition, *what):
    if not condition:
        raise Fault(" ".join(map(str, what)))


def decode(data):
    """[(first unit, opcode, argument, opcode's unit, unit behind it)]"""
    found, i, units = [], 0, len(data) // 2
    while i < units:
        first, arg, op = i, data[2 * i + 1], data[2 * i]
        while op == EXTENDED:
            i += 1
            op, arg = data[2 * i], arg << 8 | data[2 * i + 1]
        end = i + 1 + CACHES[op]
        need(end <= units and not any(data[2 * i + 2:2 * end:2]), "caches at", i)
        found.append((first, op, arg, i, end))
        i = end
    return found


def regions(table):
    """[(first unit, unit behind, handler, depth, lasti)]"""
    data, found = iter(table), []

    def number(byte):
        value = byte & 63
        while byte & 64:
            byte = next(data)
            value = value << 6 | byte & 63
        return value
    for byte in data:
        need(byte & 128, "start bit of the exception table")
        first, size, handler, rest = number(byte), *(number(next(data)) for _ in range(3))
        found.append((first, first + size, handler, rest >> 1, rest & 1))
    return found


def jump(instruction):
    _, op, arg, _, end = instruction
    return end - arg if op in BACKWARD else end + arg


def effect(op, arg, jumps, cache={}):
    key = op << 33 | arg << 1 | jumps
    if key not in cache:
        cache[key] = dis.stack_effect(op, arg if op >= opcode.HAVE_ARGUMENT else None, jump=jumps)
    return cache[key]


def split(plain, metered, known, charges):
    """{index in metered: charge}, {index in plain: index in metered}; all else must be the same."""
    paid, where, i = {}, [], 0
    while i < len(metered):
        _, op, arg, _, _ = metered[i]
        if op == LOAD_CONST and arg >= known:
            need(arg in charges and charges[arg] > 0, "constant", arg, "is no charge")
            need(i + 1 < len(metered) and metered[i + 1][1:3] == (FOR_ITER, 0), "half a charge at", i)
            paid[i] = charges[arg]
            i += 2
            continue
        need(len(where) < len(plain), "more instructions than before")
        _, op_before, arg_before, _, _ = plain[len(where)]
        need(op == op_before and (arg == arg_before or op in JUMPS), "another instruction at", i)
        where.append(i)
        i += 1
    need(len(where) == len(plain), "fewer instructions than before")
    return paid, where


def check_jumps(plain, metered, paid, where):
    """Jumps land where they did: on the charge of that instruction when it has one."""
    start = {ins[0]: i for i, ins in enumerate(metered)}
    before = {ins[0]: i for i, ins in enumerate(plain)}
    for i, at in enumerate(where):
        if plain[i][1] in JUMPS:
            landed, wanted = start.get(jump(metered[at])), where[before[jump(plain[i])]]
            charged = wanted - 2 if wanted - 2 in paid else wanted
            need(landed == charged, "jump at", at, "lands at", landed, "not", charged)
    return start, before


def handlers(table, count, start, size):
    """Per instruction its region's (handler, depth, lasti) or None; ranges must be sane."""
    covered, last = [None] * count, 0
    for first, end, handler, depth, lasti in table:
        need(last <= first < end <= size, "region", first, end)
        need(first in start and handler in start and (end == size or end in start),
             "region", first, end, handler, "cuts an instruction")
        last = end
        for i in range(start[first], start[end] if end < size else count):
            covered[i] = start[handler], depth, lasti
    return covered


def check_regions(code, dump, plain, metered, paid, where, start, before):
    size = metered[-1][4]
    now = handlers(regions(dump["exceptions"]), len(metered), start, size)
    old = handlers(regions(code.co_exceptiontable), len(plain), before, plain[-1][4])
    for i, at in enumerate(where):
        wanted = old[i]
        if wanted is not None:
            target = where[wanted[0]]
            wanted = (target - 2 if target - 2 in paid else target, *wanted[1:])
        need(now[at] == wanted, "handler of", at, "is", now[at], "not", wanted)
    return now


def free(metered, paid):
    """Instructions that count nothing: charges, up to the first RESUME, RESUME behind a yield."""
    found = set(paid) | {i + 1 for i in paid}
    first = next((i for i, ins in enumerate(metered) if ins[1] == RESUME), -1)
    found.update(range(first + 1))
    found.update(i for i, ins in enumerate(metered) if i and ins[1] == RESUME and metered[i - 1][1] == YIELD)
    return found


def check_flow(code, dump, metered, paid, start, covered):
    """Stack depth and what is prepaid, along all ways."""
    limit, nothing = dump["stacksize"], free(metered, paid)
    depths, prepaid = {}, {}
    work = [(0, int(bool(code.co_flags & GENERATORS)), 0)]
    work += [(h, depth + 1 + lasti, 0) for h, depth, lasti in {c for c in covered if c is not None}]
    while work:
        i, depth, paid_here = work.pop()
        while True:
            need(i < len(metered), "runs off its end")
            need(0 <= depth <= limit, "stack depth", depth, "of", limit, "at", i)
            if i in depths:
                need(depths[i] == depth, "stack depths", depth, depths[i], "at", i)
                need(prepaid[i] == paid_here, "prepaid", paid_here, prepaid[i], "at", i)
                break
            depths[i], prepaid[i] = depth, paid_here
            need(covered[i] is None or depth >= covered[i][1], "stack under its handler's at", i)
            if i in paid:
                need(depth + 1 <= limit, "no room for the charge at", i)
                paid_here += paid[i]
                i += 2
                continue
            ins = metered[i]
            _, op, arg, _, _ = ins
            paid_here -= i not in nothing
            need(paid_here >= (-1 if op == PUSH_EXC and i + 1 in paid else 0), "lags at", i)
            if op in ENDS:
                need(paid_here == 0, "left over at the end:", paid_here)
                break
            need(op != YIELD or paid_here == 0, "left over at a suspension:", paid_here)
            if op in JUMPS:
                landing = start[jump(ins)], depth + effect(op, arg, True), paid_here
                if op in ALWAYS:
                    i, depth, paid_here = landing
                    continue
                work.append(landing)
            depth += effect(op, arg, False)
            i += 1


def check_positions(code, dump, plain, metered, where):
    made = code.replace(co_code=dump["code"], co_linetable=dump["lines"], co_stacksize=dump["stacksize"],
                        co_exceptiontable=dump["exceptions"],
                        co_consts=code.co_consts + (None,) * len(dump["charges"]))
    now, old = list(made.co_positions()), list(code.co_positions())
    need(len(now) == metered[-1][4] and len(old) == plain[-1][4], "length of the positions")
    for ins, at in zip(plain, where):
        need(now[metered[at][3]] == old[ins[3]], "position of", at)


def verify(code, dump, sums):
    """code: as compiled; dump: see meter_stdlib.DUMP. Fault, or adds to sums."""
    need(code.co_name == dump["name"] and code.co_flags == dump["flags"], "another code object")
    plain, metered = decode(code.co_code), decode(dump["code"])
    paid, where = split(plain, metered, len(code.co_consts), dump["charges"])
    start, before = check_jumps(plain, metered, paid, where)
    covered = check_regions(code, dump, plain, metered, paid, where, start, before)
    check_flow(code, dump, metered, paid, start, covered)
    check_positions(code, dump, plain, metered, where)
    sums["code objects"] += 1
    sums["instructions"] += len(plain)
    sums["charges"] += len(paid)
    nested = [c for c in code.co_consts if hasattr(c, "co_code")]
    need(len(nested) == len(dump["nested"]), "nested code objects")
    for inner, inner_dump in zip(nested, dump["nested"]):
        try:
            verify(inner, inner_dump, sums)
        except Fault as fault:
            raise Fault("%s: %s" % (inner.co_qualname, fault)) from None
