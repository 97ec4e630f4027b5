import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageStore;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;

/** Everything that a stock store says of its messages when it is asked: by offset, by queue, by key and by time. */
final class Described {
    private final MessageStore store;
    private final Path directory;
    private final long segmentBytes;

    Described(MessageStore store, Path directory, long segmentBytes) {
        this.store = store;
        this.directory = directory;
        this.segmentBytes = segmentBytes;
    }

    Map<String, Object> all() throws Exception {
        List<MessageExt> messages = byOffset();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("minOffset", store.getMinPhyOffset());
        answer.put("maxOffset", store.getMaxPhyOffset());
        List<Object> described = new ArrayList<>();
        for (MessageExt message : messages) described.add(describe(message));
        answer.put("messages", described);
        answer.put("queues", byQueue());
        answer.put("keys", byKey(messages));
        return answer;
    }

    /** Along the log: the next record follows the last one, or begins the next segment. */
    private List<MessageExt> byOffset() {
        List<MessageExt> found = new ArrayList<>();
        long max = store.getMaxPhyOffset();
        for (long offset = Math.max(0, store.getMinPhyOffset()); offset < max; ) {
            MessageExt message = store.lookMessageByOffset(offset);
            // Of a blank, 4.9 makes a message of zeros.
            if (message == null || message.getCommitLogOffset() != offset) {
                offset += segmentBytes - offset % segmentBytes;
            } else {
                found.add(message);
                offset += message.getStoreSize();
            }
        }
        return found;
    }

    private List<Object> byQueue() throws Exception {
        List<Object> found = new ArrayList<>();
        for (Path topic : sorted(directory.resolve("consumequeue"))) {
            for (Path queue : sorted(topic)) {
                found.add(queue(topic.getFileName().toString(), Integer.parseInt(queue.getFileName().toString())));
            }
        }
        return found;
    }

    private Map<String, Object> queue(String topic, int queueId) throws Exception {
        long min = store.getMinOffsetInQueue(topic, queueId);
        long max = store.getMaxOffsetInQueue(topic, queueId);
        List<Object> offsets = new ArrayList<>();
        Set<Long> times = new TreeSet<>();
        for (long next = min; next < max; ) {
            GetMessageResult result = store.getMessage("described", topic, queueId, next, 32, null);
            for (ByteBuffer buffer : result.getMessageBufferList()) {
                MessageExt message = MessageDecoder.decode(buffer, true, false);
                offsets.add(message.getCommitLogOffset());
                times.add(message.getStoreTimestamp());
            }
            result.release();
            if (result.getNextBeginOffset() <= next) break;
            next = result.getNextBeginOffset();
        }
        List<Object> byTime = new ArrayList<>();
        for (long time : times) byTime.add(List.of(time, store.getOffsetInQueueByTime(topic, queueId, time)));
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("topic", topic);
        answer.put("queueId", queueId);
        answer.put("min", min);
        answer.put("max", max);
        answer.put("offsets", offsets);
        answer.put("byTime", byTime);
        return answer;
    }

    /** What a client keeps of the answer to a query: the broker itself compares only hashes. */
    private List<Object> byKey(List<MessageExt> messages) throws Exception {
        Map<String, Set<String>> keys = new TreeMap<>();
        for (MessageExt message : messages) keys.computeIfAbsent(message.getTopic(), (topic) -> new LinkedHashSet<>()).addAll(keysOf(message));
        List<Object> found = new ArrayList<>();
        for (Map.Entry<String, Set<String>> topic : keys.entrySet()) {
            for (String key : topic.getValue()) found.add(List.of(topic.getKey(), key, offsetsOf(topic.getKey(), key)));
        }
        return found;
    }

    private List<Object> offsetsOf(String topic, String key) throws Exception {
        Set<Long> offsets = new TreeSet<>();
        QueryMessageResult result = store.queryMessage(topic, key, 64, 0, Long.MAX_VALUE);
        for (ByteBuffer buffer : result.getMessageBufferList()) {
            MessageExt message = MessageDecoder.decode(buffer, true, false);
            if (message.getTopic().equals(topic) && keysOf(message).contains(key)) offsets.add(message.getCommitLogOffset());
        }
        result.release();
        return new ArrayList<>(offsets);
    }

    private static Set<String> keysOf(MessageExt message) {
        Set<String> keys = new LinkedHashSet<>();
        String unique = message.getProperty("UNIQ_KEY");
        if (unique != null) keys.add(unique);
        String joined = message.getProperty("KEYS");
        if (joined != null) {
            for (String key : joined.split(" ")) if (!key.isEmpty()) keys.add(key);
        }
        return keys;
    }

    private Map<String, Object> describe(MessageExt message) throws Exception {
        byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("physicalOffset", message.getCommitLogOffset());
        answer.put("recordBytes", message.getStoreSize());
        answer.put("topic", message.getTopic());
        answer.put("queueId", message.getQueueId());
        answer.put("queueOffset", message.getQueueOffset());
        answer.put("storedAt", message.getStoreTimestamp());
        answer.put("bornAt", message.getBornTimestamp());
        answer.put("flag", message.getFlag());
        answer.put("sysFlag", message.getSysFlag());
        answer.put("reconsumeTimes", message.getReconsumeTimes());
        answer.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
        answer.put("messageId", idOf(message));
        answer.put("bodyBytes", body.length);
        answer.put("bodySha256", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body)).substring(0, 32));
        answer.put("properties", message.getProperties() == null ? new LinkedHashMap<>() : message.getProperties());
        return answer;
    }

    /** With the client's library an id may be the producer's; the id of the place is always that of the host and the offset. */
    private String idOf(MessageExt message) {
        return MessageDecoder.createMessageId(message.getStoreHost(), message.getCommitLogOffset());
    }

    private static List<Path> sorted(Path directory) throws Exception {
        List<Path> found = new ArrayList<>();
        if (!Files.isDirectory(directory)) return found;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) found.add(entry);
        }
        found.sort(null);
        return found;
    }
}
