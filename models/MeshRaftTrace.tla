--------------------------- MODULE MeshRaftTrace ---------------------------
(* Is what a simulated run did allowed by MeshRaft? `Trace` is a run of `meshproof trace`, put into TLA+ by           *)
(* scripts/model.py: a line for each step of a node after which its Raft state differed, or in which a write began.   *)
(*                                                                                                                    *)
(* A line is explained by any number of MeshRaft's actions of that node that lead to exactly the state it tells:      *)
(* term, vote, role, log, commit index, matched index, and whether a successor was ordered. What a node said to       *)
(* others is not in the trace: it follows from what reached its disk, by MeshRaft's ledger. A write takes what the    *)
(* node had when it began; of one that a crash cut off, term and vote may be on disk, then entries up to anywhere.    *)
(* Pre-candidates are followers here. Whether the vote was withheld is told by the trace before each line, and held   *)
(* against the model after it.                                                                                        *)
EXTENDS MeshRaft, TraceData

VARIABLES
    cursor,     \* the line to be explained
    phase,      \* how far it is: "next", "crashed", "written", "acting"
    goal,       \* the log that it ends with
    writing     \* [Replicas -> what the write under way holds, or the last one held]

Line == Trace[cursor]
To(next) == phase' = next /\ UNCHANGED <<cursor, goal, writing>>

TraceInit == Init /\ cursor = 1 /\ phase = "next" /\ goal = <<>> /\ writing = disk

\* Whether the vote is withheld depends on time, which only the trace knows.
Begin ==
    LET n == Line.node IN
    /\ phase = "next"
    /\ ~Line.isStart
    /\ replica' = [replica EXCEPT ![n].withheld = IF Line.withheld THEN 1 ELSE 0]
    /\ goal' = SubSeq(replica[n].log, 1, Line.kept) \o Line.appended
    /\ phase' = IF Line.hasWritten THEN "written" ELSE "acting"
    /\ UNCHANGED <<cursor, writing, disk, ledger, ghosts>>

Finish ==
    LET n == Line.node IN
    /\ phase = "written"
    /\ Persist(n, writing[n]) \/ (writing[n] = disk[n] /\ UNCHANGED vars)
    /\ To("acting")

\* A start shows what a crash left of the write under way.
Survivors(old, new) ==
    LET vote(d) == [term |-> d.term, votedFor |-> d.votedFor, log |-> old.log]
        entries == {[new EXCEPT !.log = SubSeq(new.log, 1, i)] : i \in Shared(old.log, new.log)..Len(new.log)}
    IN {old, vote(new)} \union entries

Lose ==
    LET n == Line.node
        log == SubSeq(replica[n].log, 1, Line.kept) \o Line.appended
        left == [term |-> Line.term, votedFor |-> Line.votedFor, log |-> log]
    IN
    /\ phase = "next"
    /\ Line.isStart
    /\ left \in Survivors(disk[n], writing[n])
    /\ disk' = [disk EXCEPT ![n] = left]
    /\ writing' = [writing EXCEPT ![n] = left]
    /\ goal' = log
    /\ phase' = "crashed"
    /\ UNCHANGED <<cursor, replica, ledger, ghosts>>

Start == phase = "crashed" /\ Crash(Line.node) /\ To("acting")

Election(n, r) ==
    \/ Line.term > r.term /\ AdoptTerm(n, Line.term)
    \/ /\ Line.term = r.term + 1
       /\ Line.votedFor = n
       /\ Campaign(n) \/ HandleTimeoutNow(n) \/ GiveUpTransfer(n)
    \/ \E request \in {q \in requests : q.term = Line.term /\ q.from = Line.votedFor} :
            r.votedFor # Line.votedFor /\ HandleVote(n, request)
    \/ r.role = "candidate" /\ Line.role = "leader" /\ BecomeLeader(n)
    \/ r.role # "follower" /\ Line.role = "follower" /\ GiveUp(n)

Following(n, r) ==
    LET last == Max(Line.matchedIndex, r.matchedIndex) IN
    /\ Line.role = "follower"
    /\ Line.term \in Terms
    /\ \/ HandleContact(n, Line.term)
       \/ HandleFetched(n, Line.term, Line.commitIndex)
       \/ /\ last <= Len(leaders[Line.term].log)
          /\ HandleAppend(n, Line.term, Min(Line.kept, last), last, Min(Line.commitIndex, leaders[Line.term].commit))

Leading(n, r) ==
    /\ r.role = "leader"
    /\ r.term = Line.term
    /\ \/ /\ Len(r.log) < Len(goal)
          /\ LET stated == goal[Len(r.log) + 1].configuration IN
             IF stated = NoConfiguration THEN Propose(n)
             ELSE IF IsJoint(stated) THEN ProposeChange(n, stated.voters) ELSE LeaveJoint(n)
       \/ Line.commitIndex \in 1..Len(r.log) /\ AdvanceCommit(n, Line.commitIndex)
       \/ Line.isLeaseForfeited /\ \E target \in Replicas : ReleaseTransfer(n, target)
       \/ Line.role = "follower" /\ \E heir \in Replicas : Resign(n, heir)

Act ==
    LET n == Line.node IN
    /\ phase = "acting"
    /\ Election(n, replica[n]) \/ Following(n, replica[n]) \/ Leading(n, replica[n])
    /\ replica' # replica
    /\ To("acting")

IsExplained ==
    LET r == replica[Line.node] IN
    /\ r.term = Line.term /\ r.votedFor = Line.votedFor /\ r.role = Line.role
    /\ r.log = goal /\ r.commitIndex = Line.commitIndex /\ r.matchedIndex = Line.matchedIndex
    /\ r.isLeaseForfeited = Line.isLeaseForfeited
    /\ r.withheld > 0 => Line.withholds

Close ==
    LET n == Line.node IN
    /\ phase = "acting"
    /\ IsExplained
    /\ writing' = IF Line.writesThrough < 0 THEN writing
                  ELSE [writing EXCEPT ![n] = [term |-> Line.term, votedFor |-> Line.votedFor,
                                               log |-> SubSeq(goal, 1, Line.writesThrough)]]
    /\ cursor' = cursor + 1
    /\ phase' = "next"
    /\ UNCHANGED <<vars, goal>>
    /\ PrintT(<<"explained", cursor>>)

TraceNext == cursor <= Len(Trace) /\ (Begin \/ Finish \/ Lose \/ Start \/ Act \/ Close)
=============================================================================
