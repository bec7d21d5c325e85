------------------------------ MODULE MeshRaft ------------------------------
(* The consensus of Sources/Raft, as small as it can be said, for the model checker TLC.                              *)
(*                                                                                                                    *)
(* A replica is a record `replica[n]` whose fields are named as the properties of `Consensus`; `disk[n]` is what a    *)
(* crash leaves of it. There is no network: a message that may have left a replica stands in a ledger for ever        *)
(* (requests, votes, leaders, acks, orders), and is read from there never, once or many times, at any later moment.   *)
(* So messages are lost, delayed, repeated and reordered at will, and none of it costs a state. Of a leader's appends *)
(* the ledger keeps its whole log, since any slice of it may have been sent, with any earlier commit index.           *)
(*                                                                                                                    *)
(* Time passes in ticks that only count down: what is left of a lease, and of a withheld vote. That clocks run apart  *)
(* is in the two numbers: LeaseTicks is the longest that a lease of 0.8 E can last (on a clock that is 10% slow),     *)
(* PatienceTicks the shortest that a vote can be withheld for E (on one that is 10% fast); 0.8/0.9 < 1/1.1, so a      *)
(* lease never outlasts a patience.                                                                                   *)
(*                                                                                                                    *)
(* Bug plants a defect of `PlantedBug` (Sources/Primitives), so that each property is seen to fail.                   *)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Replicas, None,
    Genesis,            \* the voters before the first configuration entry
    Targets,            \* sets of voters that a leader may be asked to change to
    MaxTerm, MaxLog,    \* bounds
    LeaseTicks,         \* 0: no leases, and no time
    PatienceTicks,
    CanRead,
    Disk,               \* what is written within the step: "all", "votes" (term and vote; entries later), "nothing"
    CanPropose,         \* leaders append more than the entry that begins their term
    CanCrash, CanTransfer,
    Bug                 \* "none", or the name of a planted bug

VARIABLES
    replica,            \* [Replicas -> what the replica has in memory]
    disk,               \* [Replicas -> term, votedFor and log as a crash leaves them]
    requests,           \* vote requests that left: term, from, last, isTransfer
    votes,              \* votes that left: term, voter, candidate
    leaders,            \* [Terms -> who was elected, the log it may have sent, the commit index it may have told]
    acks,               \* [Terms -> [Replicas -> the greatest index acknowledged to that term's leader]]
    orders,             \* "campaign now": term, to
    committed,          \* for the properties: every entry that any leader took for committed
    committedIn,        \*                     the term of the leader that did so first
    staleRead           \*                     a read was answered that missed an earlier commit

vars == <<replica, disk, requests, votes, leaders, acks, orders, committed, committedIn, staleRead>>
ledger == <<requests, votes, leaders, acks, orders>>
ghosts == <<committed, committedIn, staleRead>>

Terms == 1..MaxTerm
Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b
Planted(bug) == Bug = bug

----------------------------------------------------------------------------
(* Logs, configurations and quorums (RaftLog, Configuration, Electorate).     *)

NoConfiguration == [voters |-> {}, outgoing |-> {}]
Entry(term, configuration) == [term |-> term, configuration |-> configuration]
Command(term) == Entry(term, NoConfiguration)

TermAt(log, index) == IF index \in 1..Len(log) THEN log[index].term ELSE 0
Last(log) == [term |-> TermAt(log, Len(log)), index |-> Len(log)]
AtLeast(a, b) == a.term > b.term \/ (a.term = b.term /\ a.index >= b.index)

\* How far two logs are the same.
Shared(a, b) ==
    LET same == {i \in 1..Min(Len(a), Len(b)) : a[i] = b[i]}
    IN CHOOSE i \in 0..Min(Len(a), Len(b)) : 1..i \subseteq same /\ i + 1 \notin same

\* The last configuration in the log is in force, committed or not (Raft §6).
ConfigurationIndex(log, through) ==
    LET stated == {i \in 1..through : log[i].configuration # NoConfiguration}
    IN IF stated = {} THEN 0 ELSE CHOOSE i \in stated : \A j \in stated : j <= i
ConfigurationAt(log, index) ==
    IF index = 0 THEN [voters |-> Genesis, outgoing |-> {}] ELSE log[index].configuration
Configuration(log) == ConfigurationAt(log, ConfigurationIndex(log, Len(log)))
IsJoint(configuration) == configuration.outgoing # {}
Voters(configuration) == configuration.voters \union configuration.outgoing

IsMajority(some, all) == 2 * Cardinality(some \intersect all) > Cardinality(all)
\* A joint configuration needs both majorities.
IsQuorum(configuration, some) ==
    /\ IsMajority(some, configuration.voters)
    /\ IsJoint(configuration) /\ ~Planted("jointNeedsNewOnly") => IsMajority(some, configuration.outgoing)

----------------------------------------------------------------------------
(* What a replica is (Consensus.swift).                                       *)

NoRound == [age |-> 0, answered |-> {}, index |-> 0, floor |-> 0]

Started(d) == [
    term |-> d.term, votedFor |-> d.votedFor, log |-> d.log,
    role |-> "follower", commitIndex |-> 0, matchedIndex |-> 0,
    isTransfer |-> FALSE,          \* of a candidate: its leader told it to campaign
    withheld |-> 0,                \* ticks until withholdsVotesUntil
    lease |-> 0,                   \* ticks until leaseDeadline
    isLeaseForfeited |-> FALSE,
    round |-> NoRound]             \* of a leader: the last round of heartbeats, and the read that goes with it

Init ==
    /\ disk = [n \in Replicas |-> [term |-> 0, votedFor |-> None, log |-> <<>>]]
    /\ replica = [n \in Replicas |-> Started(disk[n])]
    /\ requests = {} /\ votes = {} /\ orders = {}
    /\ leaders = [t \in Terms |-> [ids |-> {}, log |-> <<>>, commit |-> 0]]
    /\ acks = [t \in Terms |-> [n \in Replicas |-> 0]]
    /\ committed = <<>> /\ committedIn = <<>> /\ staleRead = FALSE

\* What leaves when term and vote are on disk.
VotesTold(n, r) ==
    votes \union IF r.votedFor = None THEN {} ELSE {[term |-> r.term, voter |-> n, candidate |-> r.votedFor]}
RequestsTold(n, r) ==
    requests \union IF r.role # "candidate" THEN {}
                    ELSE {[term |-> r.term, from |-> n, last |-> Last(r.log), isTransfer |-> r.isTransfer]}

WrittenVote(r) == IF Planted("voteNotPersisted") THEN None ELSE r.votedFor

\* A step of one replica. What it owes to its disk is either written here or later (Persist): as nobody can tell a vote
\* that was forgotten untold from one that was never given, most configurations write votes at once.
Become(n, r) ==
    /\ replica' = [replica EXCEPT ![n] = r]
    /\ IF Disk = "nothing" THEN UNCHANGED <<disk, votes, requests>> ELSE
        /\ disk' = [disk EXCEPT ![n] = [term |-> r.term, votedFor |-> WrittenVote(r),
                                       log |-> IF Disk = "all" THEN r.log ELSE @.log]]
        /\ votes' = VotesTold(n, r)
        /\ requests' = RequestsTold(n, r)

\* A later term forgets vote and leader; no later term only ends what the role was about (stepDown).
StepDown(r, term) ==
    [r EXCEPT
        !.term = term, !.role = "follower",
        !.votedFor = IF term > r.term THEN None ELSE @,
        !.matchedIndex = IF term > r.term THEN 0 ELSE @,
        !.isTransfer = FALSE, !.lease = 0, !.isLeaseForfeited = FALSE, !.round = NoRound]

\* A message of that term's leader (follow).
Follow(r, term) == [StepDown(r, term) EXCEPT !.withheld = PatienceTicks]

HasCommittedInTerm(r) == TermAt(r.log, r.commitIndex) = r.term \/ Planted("currentBeforeCommit")

----------------------------------------------------------------------------
(* Durability: term and vote, or entries, are told when they are on disk.     *)

DurableIndex(n) == Shared(disk[n].log, replica[n].log)

\* An acknowledgement names only entries that are on disk.
AcksTold(n, r, d) ==
    LET held == IF Planted("acknowledgesBeforeSync") THEN r.matchedIndex ELSE Min(r.matchedIndex, Shared(d.log, r.log))
    IN [acks EXCEPT ![r.term][n] = Max(@, held)]

\* A write of an earlier or of the present state is finished. What it holds of the present one leaves: the vote, the own
\* candidacy, the acknowledgement owed.
Persist(n, d) ==
    LET r == replica[n]
        holdsVote == d.term = r.term /\ (d.votedFor = r.votedFor \/ Planted("voteNotPersisted"))
    IN
    /\ d # disk[n]
    /\ disk' = [disk EXCEPT ![n] = d]
    /\ votes' = IF holdsVote THEN VotesTold(n, r) ELSE votes
    /\ requests' = IF holdsVote THEN RequestsTold(n, r) ELSE requests
    /\ acks' = IF holdsVote /\ r.role # "leader" /\ r.term > 0 THEN AcksTold(n, r, d) ELSE acks
    /\ UNCHANGED <<replica, leaders, orders, ghosts>>

\* A write begins with the hard state, so a crash may leave that alone.
PersistHardState(n) == Persist(n, [disk[n] EXCEPT !.term = replica[n].term, !.votedFor = WrittenVote(replica[n])])
PersistLog(n) ==
    Persist(n, [term |-> replica[n].term, votedFor |-> WrittenVote(replica[n]), log |-> replica[n].log])

\* What was not on disk is gone, an answer that waited for it included. A restarted voter may have promised anything
\* within the last E, so it withholds its vote.
Crash(n) ==
    /\ CanCrash
    /\ replica' = [m \in Replicas |->
        IF m = n THEN [Started(disk[n]) EXCEPT !.withheld =
                        IF Planted("restartForgetsPromise") THEN 0 ELSE PatienceTicks]
        ELSE IF disk[n].term >= replica[m].term THEN replica[m]
        ELSE [replica[m] EXCEPT !.round.answered = @ \ {n}]]
    /\ UNCHANGED <<disk, ledger, ghosts>>

----------------------------------------------------------------------------
(* Elections (Consensus+Election.swift). Pre-votes change nothing but how     *)
(* often somebody campaigns, so here a campaign may begin at any time.        *)

\* Voters, and who was one until a configuration that may not be committed (thesis §4.2.2).
MayCampaign(n, r) ==
    \/ n \in Voters(Configuration(r.log))
    \/ LET current == ConfigurationIndex(r.log, Len(r.log))
           since == ConfigurationIndex(r.log, r.commitIndex)
           stated == {since} \union {i \in (since + 1)..current : r.log[i].configuration # NoConfiguration}
       IN current > r.commitIndex /\ \E i \in stated : n \in Voters(ConfigurationAt(r.log, i))

IsSolitary(n, r) == ConfigurationIndex(r.log, Len(r.log)) = 0 /\ Genesis = {n}

Candidate(n, r, isTransfer) ==
    [StepDown(r, r.term + 1) EXCEPT !.role = "candidate", !.votedFor = n, !.isTransfer = isTransfer]

\* Its own vote is withheld as well as the one it would give another.
Campaign(n) ==
    LET r == replica[n] IN
    /\ r.term < MaxTerm
    /\ r.role # "leader"
    /\ MayCampaign(n, r)
    /\ r.withheld = 0 \/ IsSolitary(n, r) \/ Planted("votesNearLeader")
    /\ Become(n, Candidate(n, r, FALSE))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* Who is not in the configuration is heard only if its log is ahead (handleOutsider). Near a leader the request is not
\* heard at all, unless that leader asked for it (handleVote).
Hears(r, request) ==
    /\ request.term >= r.term
    /\ request.from \in Voters(Configuration(r.log)) \/ ~AtLeast(Last(r.log), request.last)
    /\ \/ request.isTransfer
       \/ r.role # "leader" /\ (r.withheld = 0 \/ Planted("votesNearLeader"))

CanElect(r, request) == AtLeast(request.last, Last(r.log)) \/ Planted("voteIgnoresLog")

\* Granted; what a refusal changes, AdoptTerm does.
HandleVote(n, request) ==
    LET r == IF request.term > replica[n].term THEN StepDown(replica[n], request.term) ELSE replica[n] IN
    /\ request.from # n
    /\ Hears(replica[n], request)
    /\ r.votedFor \in {None, request.from}
    /\ CanElect(r, request)
    /\ Become(n, [r EXCEPT !.votedFor = request.from, !.role = "follower", !.isTransfer = FALSE])
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* A request that is refused, or any answer, shows a later term, once its sender has it on disk.
AdoptTerm(n, term) ==
    /\ term > replica[n].term
    /\ \E m \in Replicas \ {n} : disk[m].term >= term
    /\ Become(n, StepDown(replica[n], term))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* The own vote counts when it is durable, as any other.
BecomeLeader(n) ==
    LET r == replica[n]
        log == Append(r.log, Command(r.term))
        voters == {v \in Replicas : [term |-> r.term, voter |-> v, candidate |-> n] \in votes}
    IN
    /\ r.role = "candidate"
    /\ IsQuorum(Configuration(r.log), voters)
    /\ Become(n, [r EXCEPT !.role = "leader", !.isTransfer = FALSE, !.log = log])
    /\ leaders' = [leaders EXCEPT ![r.term] = [ids |-> @.ids \union {n}, log |-> log, commit |-> r.commitIndex]]
    /\ UNCHANGED <<acks, orders, ghosts>>

\* No quorum answered a leader for E, or its disk hangs; a candidate was not elected, and asks anew.
GiveUp(n) ==
    /\ replica[n].role # "follower"
    /\ Become(n, StepDown(replica[n], replica[n].term))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

----------------------------------------------------------------------------
(* Replication and commit (Consensus+Replication.swift).                      *)

LeaderAppends(n, entry) ==
    LET r == replica[n] IN
    /\ Become(n, [r EXCEPT !.log = Append(@, entry)])
    /\ leaders' = [leaders EXCEPT ![r.term].log = Append(r.log, entry)]
    /\ UNCHANGED <<acks, orders, ghosts>>

IsLeading(n) == replica[n].role = "leader" /\ ~replica[n].isLeaseForfeited

Propose(n) == CanPropose /\ IsLeading(n) /\ LeaderAppends(n, Command(replica[n].term))

IsShared(r, previous, sent) ==
    \/ previous <= r.commitIndex
    \/ previous <= Len(r.log) /\ TermAt(r.log, previous) = TermAt(sent, previous)
    \/ previous <= Len(r.log) /\ Planted("previousUnchecked")

\* Only a conflict truncates.
Merge(log, previous, entries) ==
    LET whole == SubSeq(log, 1, previous) \o entries
        same == \A i \in (previous + 1)..Min(Len(log), Len(whole)) : log[i].term = whole[i].term
    IN IF same /\ Len(log) >= Len(whole) THEN log ELSE whole

HandleAppend(n, term, previous, last, commit) ==
    LET sent == leaders[term].log
        followed == Follow(replica[n], term)
        log == Merge(followed.log, previous, SubSeq(sent, previous + 1, last))
        matched == Max(followed.matchedIndex, last)
        known == IF Planted("commitsUnmatched") THEN Len(log) ELSE matched
        r == [followed EXCEPT !.log = log, !.matchedIndex = matched, !.commitIndex = Max(@, Min(commit, known))]
    IN
    /\ leaders[term].ids \ {n} # {}
    /\ term >= replica[n].term
    /\ replica[n].role = "leader" => term > replica[n].term
    /\ IsShared(followed, previous, sent)
    /\ commit <= leaders[term].commit
    /\ Become(n, r)
    /\ acks' = IF disk'[n].term = term THEN AcksTold(n, r, disk'[n]) ELSE acks
    /\ UNCHANGED <<leaders, orders, ghosts>>

\* An append that fits nowhere, a heartbeat without an answer: the leader is followed, and nothing else happens. Only
\* for traces: AdoptTerm and HandleHeartbeat do the same.
HandleContact(n, term) ==
    /\ leaders[term].ids \ {n} # {}
    /\ term >= replica[n].term
    /\ replica[n].role = "leader" => term > replica[n].term
    /\ Become(n, Follow(replica[n], term))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* An observer takes from any replica what that one knows to be committed (Consensus+Fetching), whoever leads. Only for
\* traces: what an observer holds decides nothing.
HandleFetched(n, term, last) ==
    LET r == StepDown(replica[n], Max(term, replica[n].term))
        log == Merge(r.log, r.commitIndex, SubSeq(committed, r.commitIndex + 1, last))
    IN
    /\ n \notin Voters(Configuration(r.log))
    /\ r.commitIndex < last
    /\ \E m \in Replicas \ {n} : last <= replica[m].commitIndex
    /\ Become(n, [r EXCEPT !.log = log, !.matchedIndex = Max(@, last), !.commitIndex = last])
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

Holders(n, index) ==
    {m \in Replicas : IF m = n THEN DurableIndex(n) >= index ELSE acks[replica[n].term][m] >= index}

\* What a majority holds is committed if it is of this term (Raft §5.4.2).
AdvanceCommit(n, index) ==
    LET r == replica[n] IN
    /\ r.role = "leader"
    /\ index > r.commitIndex
    /\ r.log[index].term = r.term \/ Planted("commitsOlderTerms")
    /\ IsQuorum(Configuration(r.log), Holders(n, index))
    /\ Become(n, [r EXCEPT !.commitIndex = index])
    /\ leaders' = [leaders EXCEPT ![r.term].commit = index]
    /\ committed' = IF index > Len(committed) THEN SubSeq(r.log, 1, index) ELSE committed
    /\ committedIn' = committedIn \o [i \in 1..(Len(committed') - Len(committed)) |-> r.term]
    /\ UNCHANGED <<acks, orders, staleRead>>

----------------------------------------------------------------------------
(* Rounds, leases and reads (Consensus+Heartbeat, Consensus+Reads).           *)

\* A numbered round of heartbeats. A read that waits goes with it, and must see all that is committed by now.
BeginRound(n) ==
    LET r == replica[n]
        isCurrent == CanRead /\ HasCommittedInTerm(r)
    IN
    /\ CanRead \/ LeaseTicks > 0
    /\ r.role = "leader"
    /\ Become(n, [r EXCEPT !.round = [
            age |-> 0, answered |-> {n},
            index |-> IF isCurrent THEN r.commitIndex ELSE 0, floor |-> IF isCurrent THEN Len(committed) ELSE 0]])
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* A follower answers, and withholds its vote from then on. What it says leaves when its term is on disk. A later
\* term is met before, by AdoptTerm.
HandleHeartbeat(n, leader) ==
    /\ replica[leader].role = "leader"
    /\ replica[leader].round.answered # {}
    /\ n \notin replica[leader].round.answered
    /\ replica[leader].term = replica[n].term
    /\ replica' = [replica EXCEPT ![n] = Follow(@, @.term), ![leader].round.answered = @ \union {n}]
    /\ UNCHANGED <<disk, ledger, ghosts>>

\* A quorum answered: the lease counts from when the round was sent, and the read is answered.
ConfirmRound(n) ==
    LET r == replica[n]
        arrived == {m \in r.round.answered : disk[m].term >= r.term}
        left == IF Planted("leaseFromAnswer") THEN LeaseTicks
                ELSE IF Planted("leaseTooLong") THEN 2 * LeaseTicks - r.round.age
                ELSE LeaseTicks - r.round.age
    IN
    /\ r.round.answered # {}
    /\ IsQuorum(Configuration(r.log), arrived) \/ Planted("readWithoutRound")
    /\ Become(n, [r EXCEPT !.lease = Max(@, left), !.round = NoRound])
    /\ staleRead' = (staleRead \/ r.round.index < r.round.floor)
    /\ UNCHANGED <<leaders, acks, orders, committed, committedIn>>

\* Planted: a read that comes when the round is under way.
JoinRound(n) ==
    /\ CanRead /\ Planted("readJoinsOldRound")
    /\ replica[n].round.answered # {}
    /\ HasCommittedInTerm(replica[n])
    /\ Become(n, [replica[n] EXCEPT !.round.index = replica[n].commitIndex, !.round.floor = Len(committed)])
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

HoldsLease(n) ==
    replica[n].lease > 0 /\ (~replica[n].isLeaseForfeited \/ Planted("leaseSurvivesHandOver"))

Less(ticks) == IF ticks = 0 THEN 0 ELSE ticks - 1
Tick ==
    /\ LeaseTicks > 0
    /\ replica' = [n \in Replicas |->
        [replica[n] EXCEPT
            !.withheld = Less(@), !.lease = Less(@),
            !.round.age = IF replica[n].round.answered = {} THEN 0 ELSE Min(@ + 1, LeaseTicks)]]
    /\ UNCHANGED <<disk, ledger, ghosts>>

----------------------------------------------------------------------------
(* Handing over (Consensus+Transfer.swift).                                   *)

Order(n, target) == [term |-> replica[n].term, to |-> target]

\* The target holds the whole log: it is told to campaign, and the lease of this term is over.
ReleaseTransfer(n, target) ==
    LET r == replica[n] IN
    /\ CanTransfer
    /\ IsLeading(n)
    /\ target \in Configuration(r.log).voters \ {n}
    /\ acks[r.term][target] = Len(r.log)
    /\ orders' = orders \union {Order(n, target)}
    /\ Become(n, [r EXCEPT !.isLeaseForfeited = TRUE])
    /\ UNCHANGED <<leaders, acks, ghosts>>

\* Only the leader of the present term may order it.
HandleTimeoutNow(n) ==
    LET r == replica[n] IN
    /\ r.term < MaxTerm
    /\ r.role # "leader"
    /\ n \in Voters(Configuration(r.log))
    /\ \E order \in orders : order.to = n /\ (order.term = r.term \/ Planted("lateOrderObeyed"))
    /\ Become(n, Candidate(n, r, TRUE))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

\* The target did not take over within E: campaign anew, since it may still do so.
GiveUpTransfer(n) ==
    LET r == replica[n] IN
    /\ r.isLeaseForfeited
    /\ r.term < MaxTerm
    /\ Become(n, IF Planted("handOverForgotten") THEN [r EXCEPT !.isLeaseForfeited = FALSE] ELSE Candidate(n, r, TRUE))
    /\ UNCHANGED <<leaders, acks, orders, ghosts>>

----------------------------------------------------------------------------
(* Changes of voters (Consensus+Membership.swift).                            *)

IsStatedCommitted(r) == ConfigurationIndex(r.log, Len(r.log)) <= r.commitIndex

\* One change at a time, none before an entry of this term is committed, and always through a joint configuration.
ProposeChange(n, target) ==
    LET r == replica[n]
        current == Configuration(r.log)
    IN
    /\ IsLeading(n)
    /\ IsStatedCommitted(r) /\ ~IsJoint(current)
    /\ HasCommittedInTerm(r)
    /\ target # current.voters
    /\ LeaderAppends(n, Entry(r.term, [
            voters |-> target, outgoing |-> IF Planted("jointSkipped") THEN {} ELSE current.voters]))

LeaveJoint(n) ==
    LET r == replica[n]
        current == Configuration(r.log)
    IN
    /\ IsLeading(n)
    /\ IsJoint(current)
    /\ IsStatedCommitted(r) \/ Planted("jointLeftEarly")
    /\ HasCommittedInTerm(r)
    /\ LeaderAppends(n, Entry(r.term, [voters |-> current.voters, outgoing |-> {}]))

\* A leader without a vote steps down, and names an heir.
Resign(n, heir) ==
    LET r == replica[n] IN
    /\ r.role = "leader"
    /\ IsStatedCommitted(r) /\ HasCommittedInTerm(r)
    /\ n \notin Voters(Configuration(r.log))
    /\ heir \in Configuration(r.log).voters
    /\ orders' = orders \union {Order(n, heir)}
    /\ Become(n, StepDown(r, r.term))
    /\ UNCHANGED <<leaders, acks, ghosts>>

----------------------------------------------------------------------------

\* One entry at a time, with the latest news of commits: longer appends do nothing more. Nor do those that bring
\* nothing: that they prolong a withheld vote could only forbid something.
Replicate(n) ==
    LET r == replica[n] IN
    \E term \in {t \in Terms : t >= r.term /\ leaders[t].ids # {}} : \E last \in 1..Len(leaders[term].log) :
        /\ \/ term > r.term \/ last > r.matchedIndex
           \/ r.commitIndex < Min(leaders[term].commit, Max(r.matchedIndex, last))
        /\ HandleAppend(n, term, last - 1, last, leaders[term].commit)

Step(n) ==
    \/ Disk = "nothing" /\ PersistHardState(n)
    \/ Disk # "all" /\ PersistLog(n)
    \/ Crash(n)
    \/ Campaign(n) \/ BecomeLeader(n) \/ GiveUp(n)
    \/ \E request \in requests : HandleVote(n, request)
    \/ \E term \in Terms : AdoptTerm(n, term)
    \/ Propose(n) \/ Replicate(n)
    \/ \E index \in 1..Len(replica[n].log) : AdvanceCommit(n, index)
    \/ BeginRound(n) \/ ConfirmRound(n) \/ JoinRound(n)
    \/ \E leader \in Replicas \ {n} : HandleHeartbeat(n, leader)
    \/ HandleTimeoutNow(n) \/ GiveUpTransfer(n)
    \/ \E other \in Replicas : ReleaseTransfer(n, other) \/ Resign(n, other)
    \/ \E target \in Targets : ProposeChange(n, target)
    \/ LeaveJoint(n)

\* A reachable state from which Raft's figure 8 is near: two leaders each hold an entry that nobody else has.
Figure8 ==
    LET log == <<<<Command(1)>>, <<Command(2)>>, <<>>>>
        place == CHOOSE p \in [Replicas -> 1..Cardinality(Replicas)] : \A n, m \in Replicas : n # m => p[n] # p[m]
    IN
    /\ disk = [n \in Replicas |->
            [term |-> 2, votedFor |-> None, log |-> IF place[n] <= 3 THEN log[place[n]] ELSE <<>>]]
    /\ replica = [n \in Replicas |-> Started(disk[n])]
    /\ requests = {} /\ votes = {} /\ orders = {}
    /\ leaders = [t \in Terms |->
            [ids |-> {n \in Replicas : t <= 2 /\ place[n] = t}, log |-> IF t <= 2 THEN log[t] ELSE <<>>, commit |-> 0]]
    /\ acks = [t \in Terms |-> [n \in Replicas |-> 0]]
    /\ committed = <<>> /\ committedIn = <<>> /\ staleRead = FALSE

\* A reachable state in which an order to campaign has left and not arrived, and who gave it leads no longer.
Ordered ==
    LET log == <<Command(1)>>
        giver == CHOOSE n \in Replicas : TRUE
        taker == CHOOSE n \in Replicas : n # giver
    IN
    /\ disk = [n \in Replicas |-> [term |-> 1, votedFor |-> giver, log |-> log]]
    /\ replica = [n \in Replicas |-> [Started(disk[n]) EXCEPT !.matchedIndex = IF n = giver THEN 0 ELSE 1]]
    /\ requests = {} /\ votes = {}
    /\ orders = {[term |-> 1, to |-> taker]}
    /\ leaders = [t \in Terms |->
            IF t = 1 THEN [ids |-> {giver}, log |-> log, commit |-> 0] ELSE [ids |-> {}, log |-> <<>>, commit |-> 0]]
    /\ acks = [t \in Terms |-> [n \in Replicas |-> IF t = 1 /\ n # giver THEN 1 ELSE 0]]
    /\ committed = <<>> /\ committedIn = <<>> /\ staleRead = FALSE

Next == Tick \/ \E n \in Replicas : Step(n)
Spec == Init /\ [][Next]_vars

\* What can still matter: two states that differ in nothing else are one.
View ==
    LET isOver(t) == \A n \in Replicas : Min(replica[n].term, disk[n].term) > t
        hasCandidate(t) == \E n \in Replicas : replica[n].term = t /\ replica[n].role = "candidate"
        hasLeader(t) == \E n \in Replicas : replica[n].term = t /\ replica[n].role = "leader"
    IN <<replica, disk, ghosts, orders,
         {request \in requests : ~isOver(request.term)},
         {vote \in votes : hasCandidate(vote.term)},
         [t \in Terms |-> IF isOver(t) THEN {} ELSE leaders[t]],
         [t \in Terms |-> IF hasLeader(t) THEN acks[t] ELSE {}]>>

Bounded == \A n \in Replicas : Len(replica[n].log) <= MaxLog
Symmetry == Permutations(Replicas)

----------------------------------------------------------------------------
(* What must hold.                                                            *)

ElectionSafety == \A t \in Terms : Cardinality(leaders[t].ids) <= 1

\* A vote that left is never contradicted, by a crash neither.
VotesKept ==
    \A v \in votes :
        /\ \A w \in votes : v.voter = w.voter /\ v.term = w.term => v.candidate = w.candidate
        /\ disk[v.voter].term >= v.term
        /\ disk[v.voter].term = v.term => disk[v.voter].votedFor = v.candidate

LogMatching ==
    \A n, m \in Replicas : \A i \in 1..Min(Len(replica[n].log), Len(replica[m].log)) :
        replica[n].log[i].term = replica[m].log[i].term
            => SubSeq(replica[n].log, 1, i) = SubSeq(replica[m].log, 1, i)

LeaderCompleteness ==
    \A n \in Replicas : replica[n].role = "leader" =>
        \A i \in 1..Len(committed) : committedIn[i] < replica[n].term =>
            i <= Len(replica[n].log) /\ replica[n].log[i] = committed[i]

StateMachineSafety ==
    \A n \in Replicas :
        LET through == replica[n].commitIndex
        IN through <= Len(committed) /\ SubSeq(replica[n].log, 1, through) = SubSeq(committed, 1, through)

\* While a lease is held, nobody leads a later term, with or without a lease of its own.
LeaseSafety ==
    \A n \in Replicas : HoldsLease(n) =>
        /\ replica[n].role = "leader"
        /\ \A m \in Replicas : replica[m].role = "leader" => replica[m].term <= replica[n].term

ReadsCurrent == ~staleRead
=============================================================================
