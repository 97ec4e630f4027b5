import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.lang.reflect.Constructor;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.*;
import org.apache.rocketmq.common.message.*;
import org.apache.rocketmq.store.*;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * The stock store alone, without a broker around it: `open`, `put` (one message, or several as a batch), `describe`, `close`. For 4.9 and
 * 5.x alike: the on-demand imports find the classes where each version has them.
 */
public final class StockStore {
    private DefaultMessageStore store;
    private MessageStoreConfig config;

    public static void main(String[] parameters) throws Exception {
        Lines lines = new Lines();
        StockStore stock = new StockStore();
        for (Map<String, Object> call = lines.read(); call != null; call = lines.read()) {
            Object answer;
            try {
                answer = stock.answer(call);
            } catch (Throwable error) {
                error.printStackTrace();
                answer = Map.of("error", error.toString());
            }
            lines.write(answer);
            if (Lines.text(call, "do").equals("close")) break;
        }
        System.exit(0);
    }

    private Object answer(Map<String, Object> call) throws Exception {
        switch (Lines.text(call, "do")) {
            case "open":
                return open(call);
            case "put":
                return put(Lines.asList(call.get("messages")), Boolean.TRUE.equals(call.get("batch")));
            case "describe":
                awaitDispatch();
                return new Described(store, Path.of(config.getStorePathRootDir()), config.getMappedFileSizeCommitLog()).all();
            case "bounds":
                return Map.of("minOffset", store.getMinPhyOffset(), "maxOffset", store.getMaxPhyOffset());
            case "close":
                awaitDispatch();
                store.shutdown();
                return Map.of("closed", true);
            default:
                throw new IllegalArgumentException("no such call: " + call);
        }
    }

    private Object open(Map<String, Object> call) throws Exception {
        config = new MessageStoreConfig();
        Properties settings = new Properties();
        Lines.asMap(call.get("settings")).forEach((name, value) -> settings.setProperty(name, String.valueOf(value)));
        MixAll.properties2Object(settings, config);
        config.setStorePathRootDir(Lines.text(call, "directory"));
        config.setStorePathCommitLog(Lines.text(call, "directory") + "/commitlog");
        config.setHaListenPort(0);
        store = newStore(topicsOf(call), settings.getProperty("storeType", "").equals("defaultRocksDB"));
        boolean isLoaded = store.load();
        if (isLoaded) store.start();
        return Map.of("loaded", isLoaded, "minOffset", store.getMinPhyOffset(), "maxOffset", store.getMaxPhyOffset());
    }

    private static ConcurrentHashMap<String, TopicConfig> topicsOf(Map<String, Object> call) throws Exception {
        ConcurrentHashMap<String, TopicConfig> topics = new ConcurrentHashMap<>();
        if (call.get("batchQueueTopic") == null) return topics;
        TopicConfig topic = new TopicConfig(Lines.text(call, "batchQueueTopic"));
        TopicConfig.class.getMethod("setAttributes", Map.class).invoke(topic, new LinkedHashMap<>(Map.of("queue.type", "BatchCQ")));
        topics.put(topic.getTopicName(), topic);
        return topics;
    }

    /** 5.x wants the table of topics besides. */
    private DefaultMessageStore newStore(ConcurrentHashMap<String, TopicConfig> topics, boolean isRocksDB) throws Exception {
        MessageArrivingListener listener = (topic, queueId, offset, tagsCode, storedAt, bits, properties) -> { };
        Class<?> storeClass = DefaultMessageStore.class;
        if (isRocksDB) storeClass = Class.forName("org.apache.rocketmq.store.RocksDBMessageStore");
        for (Constructor<?> constructor : storeClass.getConstructors()) {
            BrokerStatsManager stats = new BrokerStatsManager("stock", false);
            BrokerConfig broker = new BrokerConfig();
            if (constructor.getParameterCount() == 4) return (DefaultMessageStore) constructor.newInstance(config, stats, listener, broker);
            if (constructor.getParameterCount() == 5) return (DefaultMessageStore) constructor.newInstance(config, stats, listener, broker, topics);
        }
        throw new IllegalStateException("no constructor of the store is known");
    }

    private Object put(List<Object> messages, boolean isBatch) throws Exception {
        PutMessageResult result = isBatch ? putBatch(messages) : store.putMessage(single(Lines.asMap(messages.get(0))));
        AppendMessageResult appended = result.getAppendMessageResult();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("status", result.getPutMessageStatus().toString());
        if (appended == null) return answer;
        answer.put("physicalOffset", appended.getWroteOffset());
        answer.put("bytes", appended.getWroteBytes());
        answer.put("queueOffset", appended.getLogicsOffset());
        answer.put("storedAt", appended.getStoreTimestamp());
        answer.put("messageIds", appended.getMsgId());
        return answer;
    }

    private MessageExtBrokerInner single(Map<String, Object> from) throws Exception {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        setCommon(message, from);
        message.setBody(Lines.bytes(from, "body"));
        message.setFlag((int) Lines.number(from, "flag", 0));
        message.setReconsumeTimes((int) Lines.number(from, "reconsumeTimes", 0));
        message.setPreparedTransactionOffset(Lines.number(from, "preparedTransactionOffset", 0));
        message.setPropertiesString(new String(Lines.bytes(from, "properties"), StandardCharsets.UTF_8));
        return message;
    }

    private PutMessageResult putBatch(List<Object> messages) throws Exception {
        MessageExtBatch batch = new MessageExtBatch();
        setCommon(batch, Lines.asMap(messages.get(0)));
        // Only 5.x has it here; there the batch as a whole has properties too.
        if ((Object) batch instanceof MessageExtBrokerInner) ((MessageExtBrokerInner) (Object) batch).setPropertiesString("");
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        for (Object each : messages) writeElement(out, Lines.asMap(each));
        batch.setBody(bytes.toByteArray());
        return store.putMessages(batch);
    }

    /** As a client lays an element of a batch out. */
    private static void writeElement(DataOutputStream out, Map<String, Object> from) throws Exception {
        byte[] body = Lines.bytes(from, "body");
        byte[] properties = Lines.bytes(from, "properties");
        out.writeInt(22 + body.length + properties.length);
        out.writeInt(0);
        out.writeInt(0);
        out.writeInt((int) Lines.number(from, "flag", 0));
        out.writeInt(body.length);
        out.write(body);
        out.writeShort(properties.length);
        out.write(properties);
    }

    /**
     * The map beside the text of the properties stays empty: what a broker derives from it before it stores a message (another topic for a
     * delayed one) has been done by whoever gives us the message.
     */
    private static void setCommon(MessageExt message, Map<String, Object> from) throws Exception {
        MessageAccessor.setProperties(message, new LinkedHashMap<>());
        message.setTopic(Lines.text(from, "topic"));
        message.setQueueId((int) Lines.number(from, "queueId", 0));
        message.setSysFlag((int) Lines.number(from, "sysFlag", 0));
        message.setBornTimestamp(Lines.number(from, "bornAt", 0));
        message.setBornHost(host(from, "bornHost"));
        message.setStoreHost(host(from, "storeHost"));
    }

    private static InetSocketAddress host(Map<String, Object> from, String name) throws Exception {
        Map<String, Object> host = Lines.asMap(from.get(name));
        return new InetSocketAddress(InetAddress.getByName(Lines.text(host, "address")), (int) Lines.number(host, "port", 0));
    }

    /** Queues and index are fed by a thread of the store. */
    private void awaitDispatch() throws Exception {
        for (int i = 0; i < 2000 && store.dispatchBehindBytes() > 0; i += 1) Thread.sleep(5);
        Thread.sleep(50);
    }
}
