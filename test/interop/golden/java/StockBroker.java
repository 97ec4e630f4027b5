import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.*;
import org.apache.rocketmq.client.producer.*;
import org.apache.rocketmq.common.*;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.*;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.*;
import org.apache.rocketmq.store.MessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * A stock name server, a stock broker and stock clients in one process: `start`, `fill` (all kinds of messages that clients and the
 * broker itself make), `copies` (what a broker does with messages that it finds), `describe`, `close`.
 */
public final class StockBroker {
    private static final String GROUP = "golden-group";
    private static final int QUEUE_COUNT = 3;
    private static final long PATIENCE_MS = 180_000;

    private NamesrvController nameServer;
    private BrokerController broker;
    private MessageStoreConfig config;
    private String nameServerAddress;
    private DefaultMQPushConsumer consumer;
    private final List<DefaultMQProducer> producers = new ArrayList<>();

    public static void main(String[] parameters) throws Exception {
        Lines lines = new Lines();
        StockBroker stock = new StockBroker();
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
            case "start":
                return start(call);
            case "fill":
                return fill(Boolean.TRUE.equals(call.get("hasTimer")), (int) Lines.number(call, "orderCount", 30));
            case "copies":
                return copies();
            case "describe":
                return new Described(store(), Path.of(config.getStorePathRootDir()), config.getMappedFileSizeCommitLog()).all();
            case "close":
                broker.shutdown();
                nameServer.shutdown();
                return Map.of("closed", true);
            default:
                throw new IllegalArgumentException("no such call: " + call);
        }
    }

    private MessageStore store() {
        return broker.getMessageStore();
    }

    private Object start(Map<String, Object> call) throws Exception {
        int port = (int) Lines.number(call, "port", 0);
        int nameServerPort = (int) Lines.number(call, "nameServerPort", 0);
        nameServerAddress = "127.0.0.1:" + nameServerPort;
        NamesrvConfig names = new NamesrvConfig();
        names.setKvConfigPath(Lines.text(call, "home") + "/kvConfig.json");
        names.setConfigStorePath(Lines.text(call, "home") + "/namesrv.properties");
        nameServer = new NamesrvController(names, listeningAt(nameServerPort));
        if (!nameServer.initialize()) throw new IllegalStateException("the name server does not start");
        nameServer.start();

        config = new MessageStoreConfig();
        config.setStorePathRootDir(Lines.text(call, "directory"));
        config.setStorePathCommitLog(Lines.text(call, "directory") + "/commitlog");
        config.setHaListenPort(port + 1);
        set(config, call.get("settings"));
        BrokerConfig brokerConfig = new BrokerConfig();
        brokerConfig.setNamesrvAddr(nameServerAddress);
        brokerConfig.setBrokerIP1("127.0.0.1");
        brokerConfig.setBrokerIP2("127.0.0.1");
        brokerConfig.setBrokerName("golden");
        set(brokerConfig, call.get("brokerSettings"));
        broker = new BrokerController(brokerConfig, listeningAt(port), new NettyClientConfig(), config);
        if (!broker.initialize()) throw new IllegalStateException("the broker does not load the store");
        for (String topic : new String[] {"Orders", "Later", "Paid"}) {
            if (broker.getTopicConfigManager().selectTopicConfig(topic) != null) continue;
            broker.getTopicConfigManager().updateTopicConfig(new TopicConfig(topic, QUEUE_COUNT, QUEUE_COUNT, 6));
        }
        broker.start();
        broker.registerBrokerAll(true, false, true);
        return Map.of("maxOffset", store().getMaxPhyOffset());
    }

    private static NettyServerConfig listeningAt(int port) {
        NettyServerConfig server = new NettyServerConfig();
        server.setListenPort(port);
        return server;
    }

    private static void set(Object config, Object values) {
        if (values == null) return;
        Properties settings = new Properties();
        Lines.asMap(values).forEach((name, value) -> settings.setProperty(name, String.valueOf(value)));
        MixAll.properties2Object(settings, config);
    }

    private Object fill(boolean hasTimer, int orderCount) throws Exception {
        DefaultMQProducer producer = begin(new DefaultMQProducer("golden-producer"));
        for (int i = 0; i < orderCount; i += 1) must(producer.send(order(i)));
        for (int batch = 0; batch < 3; batch += 1) {
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < 4; i += 1) messages.add(new Message("Orders", "batch", "batch-" + batch + "-" + i, text("one of a batch " + i)));
            must(producer.send(messages));
        }
        must(producer.send(new Message("Orders", "large", "large", text("compressed by the client, as it is large. ".repeat(400)))));
        must(producer.send(new Message("Orders", "", "", text("neither tag nor key"))));
        delayed(producer, "DELAY", "1", "soon");
        delayed(producer, "DELAY", "18", "in two hours");
        if (hasTimer) {
            delayed(producer, "TIMER_DELAY_MS", "2000", "by the timer, soon");
            delayed(producer, "TIMER_DELAY_SEC", "3600", "by the timer, in an hour");
        }
        transactions();
        consumeWithFailures("retry");
        await("dead letters", () -> maxOf("%DLQ%" + GROUP, 1) >= 2);
        await("what was delayed", () -> maxOf("Later", QUEUE_COUNT) >= (hasTimer ? 2 : 1));
        await("what was committed", () -> maxOf("Paid", QUEUE_COUNT) >= 2);
        settle();
        return Map.of("maxOffset", store().getMaxPhyOffset());
    }

    private static Message order(int i) {
        String tag = i % 10 == 3 && i < 20 ? "retry" : "tag-" + i % 3;
        Message message = new Message("Orders", tag, "order-" + i + " customer-" + i % 7, text("order number " + i + ", Größe " + i % 5));
        message.putUserProperty("region", i % 2 == 0 ? "Zürich" : "北京");
        message.putUserProperty("amount", String.valueOf(i * 17));
        message.setFlag(i % 4);
        return message;
    }

    private void delayed(DefaultMQProducer producer, String property, String value, String what) throws Exception {
        Message message = new Message("Later", "delayed", "delayed-" + property + "-" + value, text(what));
        MessageAccessor.putProperty(message, property, value);
        must(producer.send(message));
    }

    /** One committed at once, one rolled back, one undecided, one more committed. */
    private void transactions() throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer("golden-transactions");
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object decision) {
                return (LocalTransactionState) decision;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return LocalTransactionState.UNKNOW;
            }
        });
        begin(producer);
        LocalTransactionState[] decisions = {
            LocalTransactionState.COMMIT_MESSAGE, LocalTransactionState.ROLLBACK_MESSAGE, LocalTransactionState.UNKNOW, LocalTransactionState.COMMIT_MESSAGE
        };
        for (int i = 0; i < decisions.length; i += 1) {
            must(producer.sendMessageInTransaction(new Message("Paid", "paid", "payment-" + i, text("payment " + i)), decisions[i]));
        }
    }

    /** Messages with this tag fail at each attempt, two in all: once again after a second, then they are dead letters. */
    private void consumeWithFailures(String tag) throws Exception {
        consumer = new DefaultMQPushConsumer(GROUP);
        consumer.setNamesrvAddr(nameServerAddress);
        consumer.setVipChannelEnabled(false);
        consumer.setPollNameServerInterval(1_000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(1);
        consumer.setConsumeMessageBatchMaxSize(1);
        consumer.subscribe("Orders", "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            if (!tag.equals(messages.get(0).getTags())) return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
    }

    /** What a broker makes of messages that are there already: retries and dead letters, delayed ones delivered, half ones put again. */
    private Object copies() throws Exception {
        long before = store().getMaxPhyOffset();
        // A consumer that starts before the broker is known asks again only after half a minute.
        begin(new DefaultMQProducer("golden-route"));
        consumeWithFailures("retry");
        await("dead letters", () -> maxOf("%DLQ%" + GROUP, 1) >= 2);
        await("what was delayed", () -> maxOf("Later", QUEUE_COUNT) >= 1);
        await("half messages put again", () -> maxOf("RMQ_SYS_TRANS_HALF_TOPIC", 1) >= 2);
        settle();
        return Map.of("from", before, "maxOffset", store().getMaxPhyOffset());
    }

    private <T extends DefaultMQProducer> T begin(T producer) throws Exception {
        producer.setNamesrvAddr(nameServerAddress);
        producer.setVipChannelEnabled(false);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        producers.add(producer);
        await("the broker's registration", () -> isRouted(producer));
        return producer;
    }

    private static boolean isRouted(DefaultMQProducer producer) {
        try {
            return !producer.fetchPublishMessageQueues("Orders").isEmpty();
        } catch (Exception error) {
            return false;
        }
    }

    private static void must(SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException("not sent: " + result);
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private long maxOf(String topic, int queueCount) throws Exception {
        long sum = 0;
        for (int queueId = 0; queueId < queueCount; queueId += 1) sum += store().getMaxOffsetInQueue(topic, queueId);
        return sum;
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(String what, Condition condition) throws Exception {
        for (long since = System.currentTimeMillis(); System.currentTimeMillis() - since < PATIENCE_MS; Thread.sleep(100)) {
            if (condition.holds()) return;
        }
        throw new IllegalStateException("waited in vain for " + what);
    }

    /**
     * Stops the clients and what looks after half messages (it does so once more when the broker stops), and waits until nothing has been
     * appended for a while: operations are written in arrears.
     */
    private void settle() throws Exception {
        broker.getTransactionalMessageCheckService().shutdown();
        consumer.shutdown();
        for (DefaultMQProducer producer : producers) producer.shutdown();
        long end = -1;
        for (int quietCount = 0; quietCount < 10; Thread.sleep(500)) {
            long now = store().getMaxPhyOffset();
            quietCount = now == end && store().dispatchBehindBytes() == 0 ? quietCount + 1 : 0;
            end = now;
        }
    }
}
