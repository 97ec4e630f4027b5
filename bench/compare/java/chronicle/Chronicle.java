import java.nio.file.Path;
import java.util.function.Consumer;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueue;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;

/**
 * Chronicle Queue with its default settings. It has no topics, no keys and no flush to the disk on demand: it takes part where none of these
 * is asked for, with one queue in place of sixteen. Each excerpt holds queue, time and body.
 */
public final class Chronicle implements Contestant {
    private static final int HEAD_BYTES = 12;

    private SingleChronicleQueue queue;
    private ExcerptAppender appender;

    public Chronicle(String way) {
        if (!way.equals("default")) throw new IllegalArgumentException("no way " + way);
    }

    @Override
    public void open(Path directory, boolean sync, boolean keyed) {
        if (sync || keyed) throw new IllegalArgumentException("it has neither a flush on demand nor keys");
        queue = SingleChronicleQueueBuilder.single(directory.resolve("queue").toString()).build();
        appender = queue.createAppender();
    }

    @Override
    public void append(int queueId, String key, byte[] body) {
        throw new UnsupportedOperationException("one thread only");
    }

    @Override
    public void appendBatch(int queueId, String[] keys, byte[][] bodies) {
        for (byte[] body : bodies) {
            try (var document = appender.writingDocument()) {
                Bytes<?> bytes = document.wire().bytes();
                bytes.writeInt(queueId);
                bytes.writeLong(System.currentTimeMillis());
                bytes.write(body);
            }
        }
    }

    @Override
    public void awaitFindable(long messageCount) {
        // What an appender has written can be read at once.
    }

    @Override
    public byte[] readAt(int queueId, long offset) {
        throw new UnsupportedOperationException("not asked for");
    }

    @Override
    public byte[][] findByKey(String key) {
        throw new UnsupportedOperationException("it has no keys");
    }

    @Override
    public void readAll(int queueCount, Consumer<byte[]> take) {
        try (ExcerptTailer tailer = queue.createTailer()) {
            while (true) {
                try (var document = tailer.readingDocument()) {
                    if (!document.isPresent()) return;
                    Bytes<?> bytes = document.wire().bytes();
                    bytes.readSkip(HEAD_BYTES);
                    byte[] body = new byte[(int) bytes.readRemaining()];
                    bytes.read(body);
                    take.accept(body);
                }
            }
        }
    }

    @Override
    public void close() {
        appender.close();
        queue.close();
    }
}
