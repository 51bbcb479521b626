/* The hand-over protocol: routes, leases, dual writes, journal, hand-over, for one scope with one record.
 *
 * docs/explanation/handover-protocol.md states the protocol in words and maps it to the code; README.md beside this file says
 * what is abstracted and why that is sound. One step of a process is at most one request to one store.
 * A process that is never scheduled again is killed or frozen for good, so kills need no steps of their own.
 *
 * Sizes, by -D:  PROCESSES, COORDINATORS, WRITES (a process), HANDOVERS, ATTEMPTS (announcements a store), LAPSES (leases that
 * may run out), FAULTS (answers of stores that are lost or refused), CRASHES (of a coordinator, besides never going on),
 * REPAIRS (rounds of the background repair), START (begin before the migration), ZOMBIES (a request may reach a store after its
 * lease has ended), READS (what a reader was shown counts like an acknowledged write), TAKEOVER (the old primary dies, see below),
 * REPLACED (store B is emptied, or another takes its place, at any moment; EARLY: before it is primary; RETURNS: and the former
 * one comes back).
 * MUTATE_...: leaves out one rule; the checker must then find the loss.
 */

#ifndef PROCESSES
#define PROCESSES 2
#endif
#ifndef COORDINATORS
#define COORDINATORS 1
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef HANDOVERS
#define HANDOVERS 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef LAPSES
#define LAPSES 1
#endif
#ifndef FAULTS
#define FAULTS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef REPAIRS
#define REPAIRS 0
#endif
#ifndef FREEZES
#define FREEZES 0
#endif

#define A 0
#define B 1
#define NOWHERE 2

/* Routes. */
#define ONLY_A 0
#define A_THEN_B 1
#define B_THEN_A 2
#define ONLY_B 3
#define PRIMARY(route) ((route) >> 1)
#define IS_DUAL(route) ((route) == A_THEN_B || (route) == B_THEN_A)
#ifdef START
#define FIRST_ROUTE ONLY_A
#define NEXT_ROUTE(route) ((route) == ONLY_A -> A_THEN_B : ((route) == A_THEN_B -> B_THEN_A : A_THEN_B))
#else
#define FIRST_ROUTE A_THEN_B
#ifdef ABANDON
#define NEXT_ROUTE(route) ((route) == A_THEN_B -> ONLY_A : A_THEN_B)
#else
#ifdef FINISH
#define NEXT_ROUTE(route) ((route) == A_THEN_B -> B_THEN_A : ONLY_B)
#else
#define NEXT_ROUTE(route) ((route) == A_THEN_B -> B_THEN_A : A_THEN_B)
#endif
#endif
#endif

/* Moves. */
#define NONE 0
#define ANNOUNCED 1
#define PREPARED 2

/* The control document, a copy in each store. (epoch, move, attempt) never comes back, so it stands for the native etag. */
#ifdef FLAGS
#define HAS_CONTROL(at) (control[at].is_there)
typedef Control { bool is_there; byte route; byte epoch; byte move; byte attempt; byte target };
#else
#define HAS_CONTROL(at) true
typedef Control { byte route; byte epoch; byte move; byte attempt; byte target };
#endif
Control control[2];

/* The record. `has` is a ghost: the set of writes that this state was built on. */
typedef Record { byte epoch; byte revision; byte write; byte has };
Record record[2];
#define NEWER(e1, r1, e2, r2) ((e1) > (e2) || ((e1) == (e2) && (r1) > (r2)))

byte journal[2];            /* 0: empty; else the write id of the one entry there can be */
byte journal_writes;

/* Leases. A process has a row in one store at a time: see README. */
byte row[PROCESSES];        /* the store where its row lies */
byte heard[PROCESSES];      /* row field: the announcement it has seen */
byte acked[PROCESSES];      /* row field: the prepared attempt it has acknowledged */
bool ended[PROCESSES];      /* the lease that its row stands for, counted from before the row was written, has ended */
byte suspects[2];           /* set of processes whose lapsed row is kept until a comparison has passed */

byte lapses = LAPSES, faults = FAULTS, crashes = CRASHES;
byte freezes = FREEZES;
byte busy = PROCESSES;      /* processes with writes left */
bool frozen[PROCESSES];     /* killed, or frozen for good */
byte view_move[PROCESSES];
#define v_move view_move[p]
#ifdef TAKEOVER
bool is_down;               /* store A answers nobody */
#define UP(at) (!(is_down && (at) == A))
#else
#define UP(at) true
#endif
#ifdef REPLACED
bool has_copy[2];           /* the store has its copy of this migration's document: else it is as if it did not answer (D5) */
#define OWN(at) (has_copy[at])
#else
#define OWN(at) true
#endif
byte current = PRIMARY(FIRST_ROUTE), epoch_now = 0;  /* ghosts: who is primary, decided by the commit alone */
#ifdef START
bool is_filled = 0;         /* ghost: the backfill is done */
#else
bool is_filled = 1;
#endif
byte shown;                 /* ghost: writes that were acknowledged, or that a reader was shown */

#define BIT(n) (1 << ((n) - 1))
#define NOTHING_LOST() assert(!OWN(current) || (shown & ~record[current].has) == 0)

inline put(at, p_e, p_r, p_w, p_h)
{
  record[at].epoch = p_e; record[at].revision = p_r; record[at].write = p_w; record[at].has = p_h;
  NOTHING_LOST()
}

/* Backend.apply. */
inline apply(to, a_e, a_r, a_w, a_h)
{
  if
#ifdef MUTATE_BLIND_APPLY
  :: true -> put(to, a_e, a_r, a_w, a_h)
#else
  :: NEWER(a_e, a_r, record[to].epoch, record[to].revision) -> put(to, a_e, a_r, a_w, a_h)
  :: else
#endif
  fi
}

inline dirty(where)
{
  journal_writes++;
  journal[where] = journal_writes
}

/* Whoever sees two copies raises the lower one. */
inline raise(low, h_route, h_epoch)
{
  if
  :: OWN(low) && control[low].epoch < h_epoch -> control[low].route = h_route; control[low].epoch = h_epoch; control[low].move = NONE
  :: else
  fi
}

/* ---------------------------------------------------------------- a library process */

#define IDLE 0
#define READ 1
#define SEND 2
#define APPLY 3
#define JOURNAL 4
#define ANSWER 5
#define SETTLE 6

#define IS_LIVE (is_in && !is_renewing && !ended[p])
#ifdef FLAGS
#define IS_FLAG_RIGHT (!control[s].is_there || v_route == control[s].route)
#else
#define IS_FLAG_RIGHT true
#endif
#define IS_SEEN (IS_FLAG_RIGHT && v_epoch == control[s].epoch && v_move == control[s].move && v_attempt == control[s].attempt)
#define MY_WRITE (p * WRITES + count + 1)
#ifdef ZOMBIES
#define MAY_REACH true
#else
#define MAY_REACH (is_same && !ended[p])
#endif

#ifdef MUTATE_NO_LEASE_CHECK
#define MAY_ANSWER true
#else
#ifdef MUTATE_ACK_ACROSS_REJOIN
#define MAY_ANSWER (IS_LIVE && v_epoch == o_epoch)
#else
#define MAY_ANSWER (IS_LIVE && is_same)
#endif
#endif
#ifdef FLAGS
#define IS_FLAGS true
#define IS_RIGHT (epoch_now == 0 || (o_epoch == epoch_now && PRIMARY(o_route) == current))
#else
#define IS_FLAGS false
#define IS_RIGHT (o_epoch == epoch_now && PRIMARY(o_route) == current)
#endif

#ifdef REPLACED
#define CAN_LOOK (OWN(s) || PRIMARY(control[1 - s].route) != s)
#else
#define CAN_LOOK true
#endif

/* Away from a store whose lease was revoked, or which is no longer primary. */
inline leave(next)
{
  if
  :: row[p] == s -> row[p] = NOWHERE
  :: else
  fi;
  is_in = 0; is_joined = 0; is_same = 0; is_renewing = 0; heard[p] = 0; acked[p] = 0; ended[p] = 0;
  v_route = 0; v_epoch = 0; v_move = 0; v_attempt = 0; s = next
}

/* Reads the control document; goes where it names the primary, completing the other copy. */
inline look()
{
#if defined(TAKEOVER) && !defined(MUTATE_ONE_COPY)
  if
  :: UP(1 - s) -> raise(s, control[1 - s].route, control[1 - s].epoch)
  :: else
  fi;
#endif
#ifdef REPLACED
  if
  :: OWN(s) && OWN(1 - s) -> raise(s, control[1 - s].route, control[1 - s].epoch)
  :: else
  fi;
#endif
#ifdef FLAGS
  v_route = (control[s].is_there -> control[s].route : (s == A -> ONLY_A : ONLY_B));
#else
  v_route = control[s].route;
#endif
  v_epoch = control[s].epoch; v_move = control[s].move; v_attempt = control[s].attempt;
  if
#ifdef REPLACED
  :: !OWN(s) -> leave(PRIMARY(control[1 - s].route))                         /* only the other copy counts */
#endif
  :: OWN(s) && PRIMARY(v_route) != s ->
     if
     :: UP(1 - s) -> raise(1 - s, v_route, v_epoch)
     :: else
     fi;
     leave(1 - s)
  :: else -> is_in = 1
  fi
}

inline next_write()
{
  step = IDLE; count++; is_same = 0; is_told = 0; o_route = 0; o_epoch = 0;
  b_revision = 0; b_write = 0; b_has = 0; t_epoch = 0; t_revision = 0; t_has = 0;
  if
  :: count == WRITES -> busy--
  :: else
  fi
}

proctype Process(byte p)
{
#ifdef FLAGS
  byte s = (p == PROCESSES - 1 -> B : A);     /* the last one's flag differs */
#else
  byte s = PRIMARY(FIRST_ROUTE);
#endif
  byte v_route, v_epoch, v_attempt;           /* the control document as last read */
  bool is_joined, is_in, is_renewing;         /* its row is written; and the document read since; row written again, document not */
  byte step, count;
  byte o_route, o_epoch;                      /* the route of the write under way */
  bool is_same;                               /* the lease it began under has not been lost */
  bool is_told;                               /* its caller has had OutcomeUnknown */
  byte b_revision, b_write, b_has;            /* the state it replaces */
  byte t_epoch, t_revision, t_has;            /* the state it made */

end:
  do
  /* Join: the lease row first, then the control document. */
#ifdef MUTATE_READ_BEFORE_JOIN
  :: atomic { !is_joined -> is_joined = 1; look(); is_in = 0 }
  :: atomic { is_joined && !is_in -> row[p] = s; is_in = 1 }
#else
  :: atomic { !is_joined && UP(s) -> is_joined = 1; row[p] = s }
  :: atomic { is_joined && !is_in && row[p] == s && UP(s) && CAN_LOOK -> look() }
  :: atomic { is_joined && !is_in && row[p] != s -> leave(s) }
#endif

#ifdef TAKEOVER
  :: atomic { !UP(s) && (!is_joined || ended[p] || is_renewing || !is_in) -> leave(1 - s) }
#endif

  /* Read the control document again. */
  :: atomic { is_in && !is_renewing && !IS_SEEN && UP(s) -> look() }

  /* Renew, here only when the lease has ended: the row first, then the control document. */
  :: atomic { is_in && !is_renewing && ended[p] && UP(s) ->
       if
       :: row[p] == s -> is_renewing = 1; ended[p] = 0
       :: else -> leave(s)
       fi }
  :: atomic { is_renewing && UP(s) -> is_renewing = 0; look() }

  /* Hand-over. */
#ifdef ANNOUNCE
  :: atomic { is_in && v_move == ANNOUNCED && heard[p] != v_attempt && UP(s) ->
       if
       :: row[p] == s -> heard[p] = v_attempt
       :: else -> leave(s)
       fi }
#endif
  :: atomic { is_in && v_move == PREPARED && acked[p] != v_attempt && UP(s) &&
#ifdef MUTATE_NO_DRAIN
              true ->
#else
              (step == IDLE || (step == SETTLE && !is_same)) ->
#endif
       if
       :: row[p] == s -> acked[p] = v_attempt
       :: else -> leave(s)
       fi }
#ifndef MUTATE_NO_CALL_OFF
  :: atomic { is_in && v_move == PREPARED && control[s].move == PREPARED && control[s].attempt == v_attempt && UP(s) ->
       control[s].move = NONE }                                           /* waited long enough: called off */
#endif
#ifdef MUTATE_RESUME_UNREAD
  :: atomic { is_in && v_move == PREPARED && acked[p] == v_attempt -> v_move = NONE }
#endif

  /* A write. */
  :: atomic { IS_LIVE && step == IDLE && count < WRITES && v_move != PREPARED ->
       step = READ; o_route = v_route; o_epoch = v_epoch; is_same = 1 }
#ifdef TAKEOVER
  :: atomic { step == READ && !UP(PRIMARY(o_route)) -> step = IDLE; is_same = 0; o_route = 0; o_epoch = 0 }
  :: atomic { step == SEND && !UP(PRIMARY(o_route)) -> step = SETTLE }
  :: atomic { step == APPLY && !UP(1 - PRIMARY(o_route)) -> step = JOURNAL }
  :: atomic { step == JOURNAL && !UP(PRIMARY(o_route)) -> is_told = 1; step = APPLY }
#endif
  :: atomic { step == READ && MAY_REACH && UP(PRIMARY(o_route)) ->
       if
#ifdef MUTATE_STALE_BASE
       :: record[PRIMARY(o_route)].epoch > o_epoch -> o_epoch = record[PRIMARY(o_route)].epoch
#else
       :: record[PRIMARY(o_route)].epoch > o_epoch -> step = IDLE; is_same = 0; o_route = 0; o_epoch = 0
#endif
       :: else
       fi;
       if
       :: step == READ ->
          b_revision = record[PRIMARY(o_route)].revision; b_write = record[PRIMARY(o_route)].write;
          b_has = record[PRIMARY(o_route)].has;
          step = SEND;
          if
          :: IS_LIVE && is_same ->                                        /* a reader would be answered now */
             assert(IS_RIGHT);
#ifdef READS
             shown = shown | b_has; NOTHING_LOST();
             if
             :: next_write()                                              /* it was a read */
             :: true
             fi
#endif
          :: else
          fi
       :: else
       fi }
#ifndef ZOMBIES
  :: atomic { step == READ && !is_same -> step = IDLE; o_route = 0; o_epoch = 0 }
  :: atomic { step == SEND && !is_same -> step = SETTLE }
#endif
  :: atomic { step == SEND && MAY_REACH && UP(PRIMARY(o_route)) ->
       if
       :: record[PRIMARY(o_route)].revision == b_revision && record[PRIMARY(o_route)].write == b_write ->
          t_epoch = o_epoch; t_revision = b_revision + 1; t_has = b_has | BIT(MY_WRITE);
          if
          :: put(PRIMARY(o_route), t_epoch, t_revision, MY_WRITE, t_has);
             if
             :: IS_DUAL(o_route) -> step = APPLY
             :: else -> step = ANSWER
             fi
          :: faults > 0 -> faults--; step = SETTLE;                        /* carried out, its answer lost */
             put(PRIMARY(o_route), t_epoch, t_revision, MY_WRITE, t_has)
          :: faults > 0 -> faults--; step = SETTLE                         /* lost on the way */
          fi
       :: else -> next_write()                                             /* someone else won */
       fi }
#ifdef REPLACED
  :: atomic { step == APPLY && !OWN(1 - PRIMARY(o_route)) -> step = JOURNAL }     /* once the process has seen it */
#endif
  :: atomic { step == APPLY && UP(1 - PRIMARY(o_route)) ->
       if
       :: apply(1 - PRIMARY(o_route), t_epoch, t_revision, MY_WRITE, t_has); step = ANSWER
       :: faults > 0 -> faults--; step = JOURNAL;
          apply(1 - PRIMARY(o_route), t_epoch, t_revision, MY_WRITE, t_has)
       :: faults > 0 -> faults--; step = JOURNAL
       fi }
  :: atomic { step == JOURNAL && UP(PRIMARY(o_route)) ->
       if
#ifdef MUTATE_NO_JOURNAL
       :: step = ANSWER
#else
       :: dirty(PRIMARY(o_route)); step = ANSWER
#endif
       :: faults > 0 -> faults--;                                          /* its caller gets OutcomeUnknown */
#ifdef MUTATE_OWES_NOTHING
          next_write()
#else
          is_told = 1; step = APPLY                                        /* and the process keeps what is pending */
#endif
       fi }
  :: atomic { step == ANSWER && is_told -> next_write() }
  :: atomic { step == ANSWER && !is_told && MAY_ANSWER ->
       assert(IS_RIGHT);                                                   /* never two primaries */
       if
       :: PRIMARY(o_route) == current -> shown = shown | BIT(MY_WRITE); NOTHING_LOST()
       :: else
       fi;
       next_write() }
  :: atomic { step == ANSWER && !is_told && !is_same && !MAY_ANSWER -> step = SETTLE }
  :: atomic { IS_LIVE && step == SETTLE && UP(s) &&
#ifdef MUTATE_SETTLE_WHILE_PREPARED
              true ->
#else
              (v_move != PREPARED || is_same) ->
#endif
#ifdef REPLACED
       if
       :: !is_same && IS_DUAL(v_route) -> dirty(s)                         /* its lease was lost: journaled before it goes on */
       :: else
       fi;
#endif
       o_route = v_route; o_epoch = v_epoch; is_same = 1;
       if
       :: record[s].write == MY_WRITE ->
          t_epoch = record[s].epoch; t_revision = record[s].revision; t_has = record[s].has;
          if
#ifdef MUTATE_SETTLE_WITHOUT_SECONDARY
          :: step = ANSWER
#else
          :: IS_DUAL(o_route) -> step = APPLY
          :: else -> step = ANSWER
#endif
          fi
       :: record[s].revision == b_revision && record[s].write == b_write ->
          step = SEND                                                      /* again, under the same write id */
       :: else -> next_write()                                             /* OutcomeUnknown */
       fi }
#if FREEZES > 0
  :: atomic { freezes > 0 && count < WRITES -> freezes--; frozen[p] = 1; busy--; goto gone }
#endif
  od;
gone:
  skip
}

/* ---------------------------------------------------------------- repair, comparison, coordinator */

/* Makes the secondary equal to the primary, by the route of m_epoch: repair, verify --repair, the backfill's end. */
inline compare(truth)
{
#ifdef MUTATE_PRIMARY_READ_FIRST
  atomic { UP(A); x_epoch = record[truth].epoch; x_revision = record[truth].revision; x_write = record[truth].write; x_has = record[truth].has };
  atomic { UP(A); y_epoch = record[1 - truth].epoch; y_revision = record[1 - truth].revision; y_write = record[1 - truth].write };
#else
  atomic { UP(A); y_epoch = record[1 - truth].epoch; y_revision = record[1 - truth].revision; y_write = record[1 - truth].write };
  atomic { UP(A); x_epoch = record[truth].epoch; x_revision = record[truth].revision; x_write = record[truth].write; x_has = record[truth].has };
#endif
  atomic { UP(A);
    is_clean = 0;
    if
#ifndef MUTATE_COMPARE_STALE
    :: x_epoch > m_epoch || y_epoch > m_epoch                              /* this route is out of date */
#endif
    :: else ->
       if
       :: x_epoch == y_epoch && x_revision == y_revision && x_write == y_write -> is_clean = 1
       :: else ->
          if
          :: record[1 - truth].epoch == y_epoch && record[1 - truth].revision == y_revision && record[1 - truth].write == y_write ->
             put(1 - truth, x_epoch, x_revision, x_write, x_has); is_clean = 1
          :: else
          fi
       fi
    fi;
    x_epoch = 0; x_revision = 0; x_write = 0; x_has = 0; y_epoch = 0; y_revision = 0; y_write = 0 }
}

inline repair_entry(from)
{
#ifdef MUTATE_REPAIR_READS_FIRST
  compare(from);
  atomic { UP(A); x_entry = journal[from] };
#else
  atomic { UP(A); x_entry = journal[from] };
  if
  :: x_entry != 0 -> compare(from)
  :: else
  fi;
#endif
  if
  :: x_entry != 0 && is_clean ->
     atomic { UP(A);
       if
#ifdef MUTATE_REMOVE_BLINDLY
       :: true -> journal[from] = 0
#else
       :: journal[from] == x_entry -> journal[from] = 0
       :: else
#endif
       fi }
  :: else
  fi;
  d_step { x_entry = 0; is_clean = 0 }
}

#if REPAIRS > 0
/* The background repair of a process: its route may be out of date at each step. */
proctype Repair()
{
  byte s, round, m_epoch;
  byte x_entry, x_epoch, x_revision, x_write, x_has, y_epoch, y_revision, y_write;
  bool is_clean;
end:
  do
  :: round < REPAIRS ->
end_wait:
     atomic { UP(A) && (journal[A] != 0 || journal[B] != 0) ->
       m_epoch = (control[A].epoch >= control[B].epoch -> control[A].epoch : control[B].epoch);
       s = (control[A].epoch >= control[B].epoch -> PRIMARY(control[A].route) : PRIMARY(control[B].route)) };
     repair_entry(s);
     round++
  :: else -> break
  od
}
#endif

/* Only a move to another store needs both to agree. */
#define MUST_AGREE (PRIMARY(m_target) != s)
#if defined(REPLACED) && !defined(MUTATE_NO_COPY_CHECK)
#define MAY_COMMIT (!MUST_AGREE || (OWN(1 - s) && is_filled))
#else
#define MAY_COMMIT true
#endif
#define IS_STILL(m) (control[s].epoch == m_epoch && control[s].move == (m) && control[s].attempt == m_attempt)
#if CRASHES > 0
#define MAY_CRASH if :: crashes > 0 -> crashes--; goto finished :: true fi;
#else
#define MAY_CRASH
#endif

/* `finish` is a move in the copy of B alone, so that it needs no A. */
#if defined(FINISH) && defined(TAKEOVER)
#define IS_LAST(at) ((at) == B)
#else
#define IS_LAST(at) false
#endif
#define REACHES (UP(A) || IS_LAST(s))

proctype Coordinator()
{
  byte s, i, m_route, m_epoch, m_move, m_attempt, m_target, m_suspects;
  byte x_entry, x_epoch, x_revision, x_write, x_has, y_epoch, y_revision, y_write;
  bool is_clean;

#ifdef FLAGS
  /* start: the target's copy first, which sends everyone to the source, then whoever holds a lease there must be gone. */
#ifndef MUTATE_TARGET_UNTOLD
  atomic {
    if
    :: !control[B].is_there -> control[B].is_there = 1
    :: else
    fi };
#endif
#ifndef MUTATE_TARGET_UNASKED
  do
  :: atomic { i < PROCESSES && row[i] != B -> i++ }
  :: atomic { i < PROCESSES && row[i] == B && ended[i] -> row[i] = NOWHERE; i++ }
  :: atomic { i == PROCESSES -> i = 0; break }
  od;
#endif
  atomic { control[A].is_there = 1; control[B].is_there = 1 };
#endif

again:
  atomic { UP(A) || IS_LAST(PRIMARY(control[B].route));                           /* the copy of the primary decides */
    i = 0; m_suspects = 0; is_clean = 0;
    s = (UP(A) && control[A].epoch >= control[B].epoch -> A : B);
    m_route = control[s].route; m_epoch = control[s].epoch;
    if
    :: UP(1 - s) -> raise(1 - s, m_route, m_epoch)
    :: else
    fi;
    s = PRIMARY(m_route);
#ifdef REPLACED
    if
    :: !OWN(s) -> goto lost
    :: !OWN(1 - s) ->                                                       /* start takes it up */
#ifndef MUTATE_COPY_BY_SOURCE
       has_copy[1 - s] = 1; control[1 - s].route = m_route; control[1 - s].epoch = m_epoch; control[1 - s].move = NONE;
#endif
#ifndef MUTATE_VERIFIED_BEFORE
       is_filled = 0
#endif
    :: else
    fi;
#endif
    m_move = control[s].move; m_attempt = control[s].attempt; m_target = control[s].target;
    if
    :: m_epoch >= HANDOVERS -> goto finished
    :: m_move == NONE && m_attempt >= ATTEMPTS -> goto finished
    :: else
    fi
  };
  if
  :: m_move == NONE ->
     atomic { REACHES;
       if
       :: IS_STILL(NONE) ->
          m_attempt++; m_move = ANNOUNCED; m_target = NEXT_ROUTE(m_route);
#ifdef MUTATE_REUSE_ATTEMPT
          control[s].attempt = 1; m_attempt = 1;
#else
          control[s].attempt = m_attempt;
#endif
          control[s].move = ANNOUNCED; control[s].target = m_target
       :: else -> goto again
       fi }
  :: else
  fi;
  if
  :: m_move == ANNOUNCED ->
#ifdef ANNOUNCE
     do
     :: atomic { REACHES && i < PROCESSES && (row[i] != s || heard[i] == m_attempt) -> i++ }
     :: atomic { REACHES && i < PROCESSES && row[i] == s && ended[i] -> row[i] = NOWHERE; suspects[s] = suspects[s] | (1 << i); i++ }
     :: atomic { REACHES && i < PROCESSES && !IS_STILL(ANNOUNCED) -> goto again }
     :: atomic { REACHES && i == PROCESSES -> i = 0; break }
     od;
#endif
     if
     :: MUST_AGREE ->
        if
        :: atomic { REACHES && journal[s] != 0 -> skip }; repair_entry(s)
        :: else
        fi;
#ifndef MUTATE_NO_COMPARISON
        if
#ifdef START
        :: atomic { REACHES -> m_suspects = suspects[s] };                    /* the backfill, and what verification repairs */
#else
#ifdef REPLACED
        :: atomic { REACHES && (suspects[s] != 0 || !is_filled) -> m_suspects = suspects[s] };
#else
        :: atomic { REACHES && suspects[s] != 0 -> m_suspects = suspects[s] };
#endif
#endif
           compare(s);
           if
           :: !is_clean -> compare(s)
           :: else
           fi;
           atomic { REACHES;
             if
             :: is_clean -> is_filled = 1; suspects[s] = suspects[s] & ~m_suspects; is_clean = 0; m_suspects = 0
             :: else -> goto withdraw
             fi }
        :: else
        fi
#endif
     :: else
     fi;
     atomic { REACHES;
       if
       :: IS_STILL(ANNOUNCED) -> control[s].move = PREPARED; m_move = PREPARED
       :: else -> goto again
       fi }
  :: else
  fi;

#ifdef MUTATE_JOURNAL_FIRST
  atomic { REACHES;
    if
    :: journal[s] != 0 && MUST_AGREE -> goto withdraw
    :: else
    fi };
#endif
  do                                                                       /* every lease acknowledges, leaves or lapses */
  :: atomic { REACHES && i < PROCESSES && (row[i] != s || acked[i] == m_attempt) -> i++ }
  :: atomic { REACHES && i < PROCESSES && row[i] == s && ended[i] ->
#ifndef MUTATE_NO_FENCE
       row[i] = NOWHERE;
#endif
       suspects[s] = suspects[s] | (1 << i); i++ }
#ifdef MUTATE_NO_WATCH
  :: atomic { REACHES && i < PROCESSES && row[i] == s -> row[i] = NOWHERE; suspects[s] = suspects[s] | (1 << i); i++ }
#endif
  :: atomic { REACHES && i < PROCESSES && !IS_STILL(PREPARED) -> goto again }
  :: atomic { REACHES && i == PROCESSES -> i = 0; break }
  od;
#ifndef MUTATE_NO_COMPARISON
  atomic { REACHES;
    if
    :: suspects[s] != 0 && MUST_AGREE -> goto withdraw
    :: else
    fi };
#endif
#if !defined(MUTATE_JOURNAL_FIRST) && !defined(MUTATE_NO_JOURNAL_CHECK)
  atomic { REACHES;
    if
    :: journal[s] != 0 && MUST_AGREE -> goto withdraw
    :: else
    fi };
#endif
  MAY_CRASH
  atomic { REACHES;                                                                 /* commit */
    if
#ifdef REPLACED
#ifndef MUTATE_NO_COPY_CHECK
    :: MUST_AGREE && !(OWN(1 - s) && is_filled) && IS_STILL(PREPARED) -> goto withdraw
#endif
#endif
#ifdef MUTATE_BLIND_COMMIT
    :: true ->
#else
    :: IS_STILL(PREPARED) && MAY_COMMIT ->
#endif
       control[s].route = m_target; control[s].epoch = m_epoch + 1; control[s].move = NONE;
       if
       :: m_epoch + 1 > epoch_now -> epoch_now = m_epoch + 1; current = PRIMARY(m_target); NOTHING_LOST()
       :: else                                                             /* a takeover came first: this copy counts for nothing */
       fi
#ifndef MUTATE_BLIND_COMMIT
    :: !IS_STILL(PREPARED) -> goto again
#endif
    fi };
  MAY_CRASH
#ifdef MUTATE_BLIND_COMPLETION
  atomic { REACHES; control[1 - s].route = m_target; control[1 - s].epoch = m_epoch + 1; control[1 - s].move = NONE };
#endif
  goto again;                                                              /* which completes the other copy */

withdraw:
  atomic { REACHES;
    if
    :: IS_STILL(m_move) -> control[s].move = NONE
    :: else
    fi };
  goto again;
#ifdef REPLACED
lost:
  atomic { OWN(B) || PRIMARY(control[A].route) == A -> goto again };       /* its rollback is refused: see Forced */
#endif
finished:
  skip
}

#ifdef REPLACED
inline lose_B()
{
  has_copy[B] = 0; journal[B] = 0; suspects[B] = 0;
  control[B].route = 0; control[B].epoch = 0; control[B].move = NONE; control[B].target = 0;
  for (i : 0 .. PROCESSES - 1) {
    if
    :: row[i] == B -> row[i] = NOWHERE; ended[i] = 1
    :: else
    fi }
}
#endif

/* Leases end, by the clocks of the processes: LAPSES times out of slowness, always of one that is gone or cannot renew. */
#define END_LEASE(p) \
  :: atomic { lapses > 0 && row[p] != NOWHERE && !ended[p] -> ended[p] = 1; lapses-- } \
  :: atomic { (frozen[p] || !UP(row[p])) && row[p] != NOWHERE && !ended[p] -> ended[p] = 1 }

proctype Clock()
{
end:
  do
  END_LEASE(0)
#if PROCESSES > 1
  END_LEASE(1)
#endif
#if PROCESSES > 2
  END_LEASE(2)
#endif
  od
}

#ifdef TAKEOVER
/* The old primary is dead. --force waits out a full lease, in which nobody can renew, and raises the other copy alone. */
proctype Takeover()
{
  byte i;
  atomic { is_down = 1 };
#ifndef MUTATE_TAKEOVER_AT_ONCE
  do
  :: atomic { i < PROCESSES && (row[i] != A || ended[i]) -> i++ }
  :: atomic { i == PROCESSES -> break }
  od;
#endif
  atomic {
    if
#ifdef MUTATE_TAKEOVER_ALWAYS
    :: true ->
#else
    :: PRIMARY(control[B].route) == A ->
#endif
#ifdef MUTATE_TAKEOVER_NEXT_EPOCH
       epoch_now = control[B].epoch + 1;
#else
       epoch_now = control[B].epoch + 2;                                   /* one commit at most is missing in this copy */
#endif
       control[B].epoch = epoch_now; control[B].route = B_THEN_A; control[B].move = NONE;
       current = B; shown = shown & record[B].has                          /* what is lost is said */
    :: else                                                                /* B is primary already */
    fi };
  atomic { is_down = 0 }                                                   /* with its copy as it was */
}
#endif

#ifdef REPLACED
/* Store B is emptied, or another takes its place: without a copy of the document, leases, journal. What processes have of their
 * leases there ends with it; see "What is left" for what they send to it until they notice. */
proctype Replacement()
{
#ifdef RETURNS
  byte epoch, revision, write, has, c_route, c_epoch;
#endif
  byte i;
end_first:
  atomic {
#ifdef EARLY
    PRIMARY(control[A].route) == A;
#endif
#ifdef RETURNS
    epoch = record[B].epoch; revision = record[B].revision; write = record[B].write; has = record[B].has;
    c_route = control[B].route; c_epoch = control[B].epoch;
#endif
    record[B].epoch = 0; record[B].revision = 0; record[B].write = 0; record[B].has = 0;
    lose_B()
  };
#ifdef RETURNS
end:
  atomic { OWN(B) ->                                                       /* taken up; then the former one is back */
    record[B].epoch = epoch; record[B].revision = revision; record[B].write = write; record[B].has = has;
    lose_B();
    control[B].route = c_route; control[B].epoch = c_epoch;
#ifdef MUTATE_SAME_ID
    has_copy[B] = 1
#endif
  }
#endif
}

/* rollback --force: the old primary answers, the other has no copy. Leases there have ended. */
proctype Forced()
{
#ifdef MUTATE_NO_FORCED_ROLLBACK
  skip
#else
end:
  do
  :: atomic { !OWN(B) && PRIMARY(control[A].route) == B ->
       epoch_now = control[A].epoch + 2; current = A;
       control[A].epoch = epoch_now; control[A].route = A_THEN_B; control[A].move = NONE;
       NOTHING_LOST() }
  od
#endif
}
#endif

/* When nothing can happen any more. */
proctype Quiet()
{
  timeout ->
  assert(busy == 0);                                                       /* every write has been answered */
  assert(control[A].move != PREPARED && control[B].move != PREPARED);
#if !defined(TAKEOVER) && !defined(REPLACED)
  assert(control[A].epoch == control[B].epoch);                            /* no commit is half done */
  if
  :: frozen[0] == 0 && frozen[PROCESSES - 1] == 0 && is_filled && !IS_FLAGS && IS_DUAL(control[current].route) && journal[current] == 0 ->
     assert(record[A].epoch == record[B].epoch && record[A].revision == record[B].revision && record[A].write == record[B].write)
  :: else
  fi
#endif
}

#ifdef LIVENESS
ltl answered { <> (busy == 0) }
ltl resumes { [] ((view_move[0] == PREPARED && !frozen[0]) -> <> (view_move[0] != PREPARED || frozen[0])) }
#endif

init
{
  byte i;
  atomic {
    control[A].route = FIRST_ROUTE; control[B].route = FIRST_ROUTE;
    for (i : 0 .. PROCESSES - 1) { row[i] = NOWHERE };
    for (i : 0 .. PROCESSES - 1) { run Process(i) };
#if COORDINATORS > 0
    for (i : 1 .. COORDINATORS) { run Coordinator() };
#endif
#if REPAIRS > 0
    run Repair();
#endif
#ifdef TAKEOVER
    run Takeover();
#endif
#ifdef REPLACED
    has_copy[A] = 1; has_copy[B] = 1;
    run Replacement();
    run Forced();
#endif
    run Clock();
#ifdef LIVENESS
    skip
#else
    run Quiet()
#endif
  }
}
