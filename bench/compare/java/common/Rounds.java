import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/** One round of one contestant: append, wait until all can be found, check, and where asked measure reading. Fails if anything is missing. */
public final class Rounds {
    private static final int QUEUE_COUNT = 16;
    private static final int SAMPLE_EVERY = 8;
    private static final int CHECK_COUNT = 200;
    private static final int FIND_CALLS = 20_000;

    private final Contestant contestant;
    private final Column column;
    private final AtomicInteger taken = new AtomicInteger();
    private volatile boolean over;

    private Rounds(Contestant contestant, Column column) {
        this.contestant = contestant;
        this.column = column;
    }

    public static String run(Contestant contestant, Column column) throws Exception {
        Files.createDirectories(column.directory);
        contestant.open(column.directory, column.sync, column.keyed);
        try {
            return new Rounds(contestant, column).measure();
        } finally {
            contestant.close();
        }
    }

    private String measure() throws Exception {
        long started = System.nanoTime();
        long[] latencies = column.batch > 1 ? appendBatches() : appendByThreads();
        long appended = System.nanoTime();
        int count = (int) Math.min(taken.get(), column.count);
        contestant.awaitFindable(count);
        long findable = System.nanoTime();
        if (column.keyed) checkSamples(count);
        double readRate = column.finds || !column.keyed ? readEverything(count) : 0;
        String finds = column.finds ? measureFinds(count, readRate) : "null";
        return String.format(Locale.ROOT,
            "{\"messageCount\":%d,\"durationMs\":%.3f,\"messagesPerSecond\":%.1f,\"findablePerSecond\":%.1f,\"latencyUs\":%s,\"finds\":%s}",
            count, (appended - started) / 1e6, count * 1e9 / (appended - started), count * 1e9 / (findable - started), summary(latencies), finds);
    }

    private long[] appendBatches() throws Exception {
        long deadline = System.nanoTime() + (long) (column.secondsMax * 1e9);
        long[] latencies = new long[column.count / column.batch / SAMPLE_EVERY + 1];
        int sampled = 0;
        for (int batch = 0; (batch + 1) * column.batch <= column.count; batch++) {
            byte[][] bodies = new byte[column.batch][];
            String[] keys = new String[column.batch];
            for (int index = 0; index < column.batch; index++) {
                int ordinal = batch * column.batch + index;
                bodies[index] = body(ordinal);
                if (column.keyed) keys[index] = key(ordinal);
            }
            long begun = System.nanoTime();
            contestant.appendBatch(batch % QUEUE_COUNT, keys, bodies);
            long ended = System.nanoTime();
            if (batch % SAMPLE_EVERY == 0) latencies[sampled++] = ended - begun;
            taken.addAndGet(column.batch);
            if (ended > deadline) break;
        }
        return Arrays.copyOf(latencies, sampled);
    }

    /** As many threads as the column has callers: on this machine a thread is what waits. */
    private long[] appendByThreads() throws Exception {
        long deadline = System.nanoTime() + (long) (column.secondsMax * 1e9);
        Caller[] callers = new Caller[column.callers];
        for (int index = 0; index < callers.length; index++) (callers[index] = new Caller(deadline)).start();
        long[] all = new long[0];
        for (Caller caller : callers) {
            caller.join();
            if (caller.failure != null) throw caller.failure;
            int before = all.length;
            all = Arrays.copyOf(all, before + caller.sampled);
            System.arraycopy(caller.latencies, 0, all, before, caller.sampled);
        }
        return all;
    }

    private final class Caller extends Thread {
        private final long deadline;
        private long[] latencies = new long[1024];
        private int sampled;
        private Exception failure;

        Caller(long deadline) {
            this.deadline = deadline;
        }

        @Override
        public void run() {
            try {
                for (int calls = 0; !over; calls++) {
                    int ordinal = taken.getAndIncrement();
                    if (ordinal >= column.count) return;
                    long begun = System.nanoTime();
                    contestant.append(ordinal % QUEUE_COUNT, column.keyed ? key(ordinal) : null, body(ordinal));
                    long ended = System.nanoTime();
                    if (calls % SAMPLE_EVERY == 0) {
                        if (sampled == latencies.length) latencies = Arrays.copyOf(latencies, 2 * sampled);
                        latencies[sampled++] = ended - begun;
                    }
                    if (ended > deadline) over = true;
                }
            } catch (Exception error) {
                failure = error;
                over = true;
            }
        }
    }

    private void checkSamples(int count) throws Exception {
        Random random = new Random(3);
        for (int sample = 0; sample < Math.min(CHECK_COUNT, count); sample++) {
            int ordinal = sample == 0 ? count - 1 : random.nextInt(count);
            byte[][] found = contestant.findByKey(key(ordinal));
            if (found.length != 1 || !Arrays.equals(found[0], body(ordinal)))
                throw new IllegalStateException("message " + ordinal + " is found " + found.length + " times by its key, or not as it was stored");
        }
    }

    private double readEverything(int count) throws Exception {
        BitSet seen = new BitSet(count);
        long started = System.nanoTime();
        contestant.readAll(QUEUE_COUNT, body -> {
            int ordinal = ordinalOf(body);
            if (body.length != column.bodyBytes || seen.get(ordinal)) throw new IllegalStateException("message " + ordinal + " is read twice or not whole");
            seen.set(ordinal);
        });
        double seconds = (System.nanoTime() - started) / 1e9;
        if (seen.cardinality() != count) throw new IllegalStateException(seen.cardinality() + " of " + count + " messages are read");
        return count / seconds;
    }

    /** Only where batches are whole queues' turns: then the place of a message follows from its ordinal. */
    private String measureFinds(int count, double readRate) throws Exception {
        int batches = count / column.batch;
        double[] rates = new double[2];
        for (int way = 0; way < rates.length; way++) {
            Random random = new Random(7);
            long started = System.nanoTime();
            long deadline = started + (long) (column.secondsMax * 5e8);
            int calls = 0;
            for (; calls < FIND_CALLS && System.nanoTime() < deadline; calls++) {
                int ordinal = random.nextInt(batches * column.batch);
                int batch = ordinal / column.batch;
                byte[] body;
                if (way == 0) {
                    body = contestant.readAt(batch % QUEUE_COUNT, (long) batch / QUEUE_COUNT * column.batch + ordinal % column.batch);
                } else {
                    byte[][] found = contestant.findByKey(key(ordinal));
                    body = found.length == 1 ? found[0] : null;
                }
                if (body == null || ordinalOf(body) != ordinal) throw new IllegalStateException("message " + ordinal + " is not found");
            }
            rates[way] = calls * 1e9 / (System.nanoTime() - started);
        }
        return String.format(Locale.ROOT, "{\"byOffsetPerSecond\":%.1f,\"byKeyPerSecond\":%.1f,\"readPerSecond\":%.1f}", rates[0], rates[1], readRate);
    }

    private static String key(int ordinal) {
        return "order-" + ordinal;
    }

    private byte[] body(int ordinal) {
        byte[] body = new byte[column.bodyBytes];
        Arrays.fill(body, 8, body.length, (byte) 0x5a);
        ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).putDouble(0, ordinal);
        return body;
    }

    private static int ordinalOf(byte[] body) {
        return (int) ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).getDouble(0);
    }

    private static String summary(long[] latencies) {
        Arrays.sort(latencies);
        return String.format(Locale.ROOT, "{\"sampleCount\":%d,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"p9999\":%.3f,\"max\":%.3f}",
            latencies.length, at(latencies, 0.5), at(latencies, 0.99), at(latencies, 0.999), at(latencies, 0.9999), at(latencies, 1));
    }

    private static double at(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) Math.min(sorted.length - 1, Math.ceil(share * sorted.length))] / 1e3;
    }
}
