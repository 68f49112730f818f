/* The hand-over from a snapshot to the stream, for spin. README.md says what is modelled, and which macros spoil it.
 *
 * Sets of transactions are bits of a byte, one for each transaction id. A position counts commit records: wal[p] is the
 * transaction whose record is at p, and "up to p" are those before it.
 */

#ifndef TRANSACTIONS
#define TRANSACTIONS 3
#endif
#ifndef SUBSCRIBES
#define SUBSCRIBES 2
#endif

#define bit(x) (1 << (x))

/* The feed has dropped the changes of the transaction at k, and its number is forgotten too, as nobody needs it who asks
 * from now on. Until then the number is kept. */
#ifdef NUMBERS_ARE_TRIMMED
#define forgotten(k) (k < low)
#define may_settle (unsettled >= low)
#else
#define forgotten(k) (k < low && k < unsettled)
#define may_settle true
#endif

#ifdef JOIN_BY_LSN
#define is_seen(seen, k) false
#else
#define is_seen(seen, k) (seen & bit(wal[k]))
#endif

#ifdef TRIMMED_IS_SKIPPED
#define cannot(whole) skip
#else
#define cannot(whole) whole = false
#endif

#ifdef XID_FILTER_LATER_ONLY
#define first_to_fold frontier
#else
#define first_to_fold unsettled
#endif

/* PostgreSQL: its log, and who has left the ProcArray. */
byte wal[TRANSACTIONS];
byte inserted;
byte visible;
byte rolled_back;
byte xmax; /* behind the highest id of those */

/* The relay: it has processed all up to frontier, the feed holds what is behind low, and what is before unsettled was
 * seen by a snapshot that has been answered. */
bool started;
byte frontier;
byte processed;
byte low;
byte unsettled;
bool asking;

/* What the clients hold. */
byte state[SUBSCRIBES];
bool live[SUBSCRIBES];

inline leave_proc_array() {
    xmax = (_pid + 1 > xmax -> _pid + 1 : xmax)
}

/* Its id is its pid. All have one from the beginning; what they do then is in any order, and may be never. */
active [TRANSACTIONS] proctype transaction() {
    if
    :: atomic {
        wal[inserted] = _pid;
        inserted++;
        printf("transaction %d writes its commit record\n", _pid)
        }
        /* Before it is flushed, if it commits asynchronously; when it is; or long after, if a standby stalls. */
        atomic {
            visible = visible | bit(_pid);
            leave_proc_array();
            printf("transaction %d is visible\n", _pid)
        }
    :: atomic {
        !rolled_back;
        rolled_back = bit(_pid);
        leave_proc_array();
        printf("transaction %d is rolled back\n", _pid)
        }
    fi
}

/* pg_current_snapshot(), of which the relay computes what is seen, and the rows that the query reads in that snapshot. */
inline take_snapshot(seen) {
#ifdef STANDBY_SNAPSHOT
    seen = bit(xmax) - 1;
#else
    seen = visible | rolled_back; /* all below xmax that are not in the list of those in progress */
    assert(seen < bit(xmax))
#endif
}

/* A snapshot has been answered: what it saw, every later one will see. */
inline settle(seen, end) {
#ifdef SETTLE_THE_LAST
    k = unsettled;
    do
    :: k < frontier && (seen & bit(wal[k])) -> k++; unsettled = k
    :: k < frontier && !(seen & bit(wal[k])) -> k++
    :: k >= frontier -> break
    od;
#else
    do
    :: may_settle && unsettled < frontier && (seen & bit(wal[unsettled])) -> unsettled++
    :: else -> break
    od;
#endif
#ifdef SETTLE_PAST_FRONTIER
    if
    :: unsettled >= frontier && unsettled < end -> unsettled = end
    :: else
    fi;
#endif
    k = 0
}

/* pg_current_wal_insert_lsn() */
inline read_end_of_log() {
#ifdef FLUSH_LSN
    /* pg_current_wal_flush_lsn(): somewhere between what the relay was sent and the end. */
    end_of_log = frontier;
    do
    :: end_of_log < inserted -> end_of_log++
    :: break
    od
#else
    end_of_log = inserted
#endif
}

inline connection_taken() {
#ifdef ONE_CONNECTION
    !asking;
    asking = true
#else
    skip
#endif
}

inline connection_free() {
    asking = false
}

/* A stream begins behind what was confirmed of an earlier one, and that is settled: all of it is visible. */
inline start() {
    do
#ifdef START_UNSETTLED
    :: frontier < inserted ->
#else
    :: frontier < inserted && (visible & bit(wal[frontier])) ->
#endif
        processed = processed | bit(wal[frontier]);
        frontier++
    :: break
    od;
    low = frontier;
    unsettled = frontier;
    started = true;
    printf("the stream begins at %d\n", frontier)
}

/* One thread: a shard's. */
active proctype relay() {
    byte k;
    atomic { start() };
end:
    do
    :: atomic { frontier < inserted ->
        printf("transaction %d comes at %d\n", wal[frontier], frontier);
        k = 0;
        do
        :: k < SUBSCRIBES && live[k] ->
            assert(!(state[k] & bit(wal[frontier]))); /* twice */
            state[k] = state[k] | bit(wal[frontier]);
            k++
        :: k < SUBSCRIBES && !live[k] -> k++
        :: k >= SUBSCRIBES -> break
        od;
        processed = processed | bit(wal[frontier]);
        frontier++;
        k = 0;
        do
        :: k < SUBSCRIBES ->
            assert(!live[k] || state[k] == processed);
            k++
        :: else -> k = 0; break
        od
        }
    :: atomic { low < frontier -> low++; printf("the feed now begins at %d\n", low) }
    od
}

/* Applies to the rows what the stream has from position k on, and s does not see. Clears `whole` if it cannot. */
inline fold(me, seen, whole) {
    do
    :: k < frontier ->
        if
        :: forgotten(k) -> cannot(whole)
        :: !forgotten(k) && is_seen(seen, k)
        :: !forgotten(k) && !is_seen(seen, k) && k < low -> cannot(whole)
        :: else ->
            assert(!(state[me] & bit(wal[k]))); /* twice */
            state[me] = state[me] | bit(wal[k]);
            printf("client %d: transaction %d is added to the rows\n", me, wal[k])
        fi;
        k++
    :: else -> k = 0; break
    od
}

proctype subscribe(byte me) {
    byte k;
    byte pin;
    byte seen;
    byte end_of_log;
    bool whole;
    started;
ask:
    atomic {
        connection_taken();
        pin = first_to_fold;
        printf("client %d asks; unsettled from %d, the relay is at %d\n", me, unsettled, frontier)
    }
#ifdef I_BEFORE_SNAPSHOT
    atomic { read_end_of_log(); printf("client %d: the log ends at %d\n", me, end_of_log) }
#endif
    atomic {
        take_snapshot(seen);
        state[me] = visible;
        printf("client %d: the snapshot is taken\n", me)
    }
#ifndef I_BEFORE_SNAPSHOT
    atomic { read_end_of_log(); printf("client %d: the log ends at %d\n", me, end_of_log) }
#endif
    atomic {
#ifdef U_AT_ANSWER
        pin = unsettled;
#endif
        settle(seen, end_of_log);
        connection_free();
        printf("client %d: the answer comes; unsettled from %d\n", me, unsettled)
    }
    atomic {
        frontier >= end_of_log;
        whole = true;
#ifdef JOIN_BY_LSN
        pin = end_of_log;
#endif
        k = pin;
        fold(me, seen, whole);
        pin = 0;
        seen = 0;
        end_of_log = 0;
        if
        :: !whole ->
            printf("client %d: the feed has lost what the snapshot does not see\n", me);
            state[me] = 0;
            goto ask
        :: whole
        fi;
        whole = false;
        live[me] = true;
        printf("client %d is live at %d\n", me, frontier);
        assert(!(processed & ~state[me])); /* lost */
        assert(!(state[me] & ~processed))  /* early */
    }
}

/* Asks for a snapshot and no rows, again and again. */
#ifndef NO_POLLS
active proctype poll() {
    byte k;
    byte seen;
    started;
end:
    do
    :: atomic {
            connection_taken();
            take_snapshot(seen);
            printf("a poll: the snapshot is taken\n")
        };
        atomic {
            settle(seen, inserted);
            seen = 0;
            connection_free();
            printf("a poll: the answer comes; unsettled from %d\n", unsettled)
        }
    od
}
#endif

init {
    byte client;
    atomic {
        do
        :: client < SUBSCRIBES -> run subscribe(client); client++
        :: else -> break
        od
    }
}

#ifdef COMES_LIVE
ltl comes_live { <> (live[0]) }
#endif
