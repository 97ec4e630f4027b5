import java.nio.file.Path;
import java.util.function.Consumer;

/** What takes part in the comparison on the Java virtual machine; the same as in contestant.ts. */
public interface Contestant {
    void open(Path directory, boolean sync, boolean keyed) throws Exception;

    /** As durable as `sync` says when it returns. Called by many threads at a time. */
    void append(int queueId, String key, byte[] body) throws Exception;

    /** All keys are null or none; called by one thread. */
    void appendBatch(int queueId, String[] keys, byte[][] bodies) throws Exception;

    /** Returns when all that was appended can be found. */
    void awaitFindable(long messageCount) throws Exception;

    byte[] readAt(int queueId, long offset) throws Exception;

    /** The bodies of all messages with that key. */
    byte[][] findByKey(String key) throws Exception;

    void readAll(int queueCount, Consumer<byte[]> take) throws Exception;

    void close() throws Exception;
}
