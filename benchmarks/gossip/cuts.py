#!/usr/bin/env python3
"""What five real agents in network namespaces hold of each other while iptables cuts between them.

- one way: what one agent sends another is lost. Nobody is dead.
- datagrams: UDP between two is lost both ways, TCP passes. Nobody is dead.
- node: one agent is cut off. The four hold it dead, it judges nobody, and after healing all are alive again.
- split: two and three are parted. Each side holds the other dead, none its own; after healing all are alive again.

One line of JSON for each; the exit status is 1 if one did not hold. Ends within three minutes a round. Needs root, iproute2,
iptables and a built .build/release/meshnode; without them it says so and does nothing.
"""
import argparse
import json
import sys
import time

from namespaces import NAMES, main_with

# Far beyond the second that a verdict takes, and the three of an accusation that nobody confirms.
HOLD_SECONDS = 15
# A cut-off agent's contacts are called each second in turn.
HEAL_SECONDS = 30
HEAL_BAR_SECONDS = 5


def verdicts(agents, since):
    """Who was held dead by whom since then."""
    with agents.known.changed:
        return [(observer, subject) for at, observer, subject, state in agents.known.events
                if at >= since and state == "dead"]


def trial(net, agents, what, expected, cut, hold):
    """Cuts, waits, heals. `expected`: the pairs of observer and subject that have to end in a verdict; no others may."""
    start = time.monotonic()
    cut()
    held = agents.known.wait_all(expected, "dead", hold) if expected else {}
    time.sleep(max(0, start + hold - time.monotonic()))
    given = verdicts(agents, start)
    false = sorted(set(given) - set(expected))
    missed = sorted(set(expected) - set(held))
    dropped = net.dropped()
    healed = time.monotonic()
    net.heal()
    whole = agents.wait_alive(HEAL_SECONDS)
    line = {"cut": what, "seconds": hold, "dropped_packets": dropped, "verdicts": len(set(given)), "false": false, "missed": missed}
    if expected:
        line["all_known_seconds"] = round(max(held.values()) - start, 2) if not missed else None
        line["healed_seconds"] = None if whole is None else round(max(0, whole - healed), 2)
        # Who took longer than the bar, and what it went through: a machine that does other things shows here.
        late = [pair for pair in agents.pairs() if agents.known.states[pair][1] > healed + HEAL_BAR_SECONDS]
        line["late"] = {f"{one} of {other}": agents.history(one, other, healed) for one, other in late}
    line["held"] = not false and not missed and whole is not None and dropped > 0
    print(json.dumps(line), flush=True)
    # What healed is quiet before the next cut.
    time.sleep(3)
    return line["held"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often each is tried, in turn of agents; at most 3")
    options = parser.parse_args()

    def body(net, agents):
        held = True
        agents.primary()
        for number in range(min(options.rounds, 3)):
            one, other = [(2, 3), (1, 4), (5, 1)][number]
            everyone = list(net.numbers)
            minority = [one, other]
            majority = [node for node in everyone if node not in minority]

            def part(side, rest):
                for a in side:
                    for b in rest:
                        net.drop(a, b)
                        net.drop(b, a)

            def datagrams():
                net.drop(one, other, "-p", "udp")
                net.drop(other, one, "-p", "udp")

            alone = [node for node in everyone if node != one]
            pair = f"{NAMES[one - 1]} and {NAMES[other - 1]}"
            held &= trial(net, agents, f"one way, {NAMES[one - 1]} to {NAMES[other - 1]}", [],
                          lambda: net.drop(one, other), HOLD_SECONDS)
            held &= trial(net, agents, f"datagrams between {pair}", [], datagrams, HOLD_SECONDS)
            held &= trial(net, agents, f"node {NAMES[one - 1]}", agents.pairs(alone, [one]),
                          lambda: part([one], alone), HOLD_SECONDS)
            held &= trial(net, agents, f"split, {pair} from the others",
                          agents.pairs(minority, majority) + agents.pairs(majority, minority),
                          lambda: part(minority, majority), HOLD_SECONDS)
        return 0 if held else 1

    return main_with(body, "no cut was tried")


if __name__ == "__main__":
    sys.exit(main())
