import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Consumer;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageBatch;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Apache RocketMQ's own store in this process, without a broker around it. `tuned`: spin lock, queues built by several threads.
 * Its pool of buffers outside the files is left off in both, because a killed process would take along what is in them.
 */
public final class RocketMq implements Contestant {
    private static final String TOPIC = "compare";
    private static final int READ_BATCH = 32;
    private static final int FIND_MAX = 32;

    private final boolean tuned;
    private final SocketAddress host = new InetSocketAddress("127.0.0.1", 10911);
    private DefaultMessageStore store;

    public RocketMq(String way) {
        tuned = way.equals("tuned");
    }

    @Override
    public void open(Path directory, boolean sync, boolean keyed) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(directory.toString());
        config.setStorePathCommitLog(directory.resolve("commitlog").toString());
        config.setFlushDiskType(sync ? FlushDiskType.SYNC_FLUSH : FlushDiskType.ASYNC_FLUSH);
        config.setHaListenPort(0);
        config.setMessageIndexEnable(keyed);
        if (tuned) {
            config.setUseReentrantLockWhenPutMessage(false);
            config.setEnableBuildConsumeQueueConcurrently(true);
            config.setMaxTransferCountOnMessageInMemory(1_000);
            config.setMaxTransferBytesOnMessageInMemory(4 * 1024 * 1024);
        }
        ConcurrentMap<String, TopicConfig> topics = new ConcurrentHashMap<>();
        topics.put(TOPIC, new TopicConfig(TOPIC, 16, 16));
        store = new DefaultMessageStore(config, new BrokerStatsManager("compare", false), (topic, queueId, offset, tags, time, bits, properties) -> { },
            new BrokerConfig(), topics);
        if (!store.load()) throw new IllegalStateException("the store does not load");
        store.start();
    }

    @Override
    public void append(int queueId, String key, byte[] body) {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        address(message, queueId);
        message.setBody(body);
        if (key != null) message.setKeys(key);
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        check(store.putMessage(message));
    }

    @Override
    public void appendBatch(int queueId, String[] keys, byte[][] bodies) {
        List<Message> messages = new ArrayList<>(bodies.length);
        for (int index = 0; index < bodies.length; index++) {
            Message message = new Message(TOPIC, bodies[index]);
            if (keys[index] != null) message.setKeys(keys[index]);
            messages.add(message);
        }
        MessageExtBatch batch = new MessageExtBatch();
        address(batch, queueId);
        batch.setPropertiesString("");
        batch.setBody(MessageBatch.generateFromList(messages).encode());
        check(store.putMessages(batch));
    }

    private void address(MessageExtBrokerInner message, int queueId) {
        message.setTopic(TOPIC);
        message.setQueueId(queueId);
        message.setBornTimestamp(System.currentTimeMillis());
        message.setBornHost(host);
        message.setStoreHost(host);
    }

    private static void check(PutMessageResult result) {
        if (result.getPutMessageStatus() != PutMessageStatus.PUT_OK) throw new IllegalStateException("not stored: " + result.getPutMessageStatus());
    }

    @Override
    public void awaitFindable(long messageCount) throws Exception {
        while (true) {
            long found = 0;
            for (int queueId = 0; queueId < 16; queueId++) found += store.getMaxOffsetInQueue(TOPIC, queueId);
            if (found >= messageCount && store.dispatchBehindBytes() <= 0) return;
            Thread.sleep(1);
        }
    }

    @Override
    public byte[] readAt(int queueId, long offset) {
        GetMessageResult result = store.getMessage("compare-group", TOPIC, queueId, offset, 1, null);
        try {
            return result.getMessageCount() == 0 ? null : MessageDecoder.decode(result.getMessageBufferList().get(0)).getBody();
        } finally {
            result.release();
        }
    }

    @Override
    public byte[][] findByKey(String key) {
        QueryMessageResult result = store.queryMessage(TOPIC, key, FIND_MAX, 0, Long.MAX_VALUE);
        try {
            List<byte[]> found = new ArrayList<>();
            for (ByteBuffer buffer : result.getMessageBufferList()) {
                MessageExt message = MessageDecoder.decode(buffer);
                if (key.equals(message.getKeys())) found.add(message.getBody());
            }
            return found.toArray(new byte[0][]);
        } finally {
            result.release();
        }
    }

    @Override
    public void readAll(int queueCount, Consumer<byte[]> take) throws Exception {
        int batch = tuned ? 500 : READ_BATCH;
        for (int queueId = 0; queueId < queueCount; queueId++) {
            long end = store.getMaxOffsetInQueue(TOPIC, queueId);
            for (long at = 0; at < end; ) {
                GetMessageResult result = store.getMessage("compare-group", TOPIC, queueId, at, batch, null);
                try {
                    if (result.getNextBeginOffset() <= at) throw new IllegalStateException("queue " + queueId + " stays at " + at + ": " + result.getStatus());
                    for (ByteBuffer buffer : result.getMessageBufferList()) take.accept(MessageDecoder.decode(buffer).getBody());
                    at = result.getNextBeginOffset();
                } finally {
                    result.release();
                }
            }
        }
    }

    @Override
    public void close() {
        store.shutdown();
        store.destroy();
    }
}
