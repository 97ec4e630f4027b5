import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** The stock producer, pull consumer and admin client, each made when it is first needed and kept. */
final class Clients {
    private static final int BODY_BYTES_MAX = 8 * 1024 * 1024;
    private static final long TIMEOUT_MS = 60_000;

    private final String nameServer;
    private DefaultMQAdminExt admin;
    private DefaultMQProducer producer;
    private TransactionMQProducer halfProducer;
    private DefaultMQPullConsumer puller;

    Clients(String nameServer) {
        this.nameServer = nameServer;
    }

    String nameServer() {
        return nameServer;
    }

    DefaultMQAdminExt admin() throws MQClientException {
        if (admin == null) {
            DefaultMQAdminExt made = new DefaultMQAdminExt(TIMEOUT_MS);
            made.setNamesrvAddr(nameServer);
            made.setInstanceName("driver-admin");
            made.start();
            admin = made;
        }
        return admin;
    }

    private DefaultMQProducer producer(int compressAbove) throws MQClientException {
        if (producer == null) {
            DefaultMQProducer made = new DefaultMQProducer("driver-producer");
            prepare(made, "driver-producer");
            made.start();
            producer = made;
        }
        producer.setCompressMsgBodyOverHowmuch(compressAbove);
        return producer;
    }

    private void prepare(DefaultMQProducer made, String instance) {
        made.setNamesrvAddr(nameServer);
        made.setInstanceName(instance);
        made.setSendMsgTimeout((int) TIMEOUT_MS);
        made.setMaxMessageSize(BODY_BYTES_MAX);
        made.setRetryTimesWhenSendFailed(0);
    }

    private DefaultMQPullConsumer puller() throws MQClientException {
        if (puller == null) {
            DefaultMQPullConsumer made = new DefaultMQPullConsumer("driver-puller");
            made.setNamesrvAddr(nameServer);
            made.setInstanceName("driver-puller");
            made.setConsumerPullTimeoutMillis(TIMEOUT_MS);
            made.start();
            puller = made;
        }
        return puller;
    }

    boolean hasRoute(String topic) throws Exception {
        try {
            return !admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty();
        } catch (MQClientException missing) {
            return false;
        }
    }

    Object updateTopic(JSONObject command) throws Exception {
        TopicConfig config = new TopicConfig(command.getString("topic"));
        config.setReadQueueNums(command.getIntValue("queues"));
        config.setWriteQueueNums(command.getIntValue("queues"));
        admin().createAndUpdateTopicConfig(command.getString("broker"), config);
        return true;
    }

    private static MessageQueue queue(JSONObject command) {
        return new MessageQueue(command.getString("topic"), command.getString("brokerName"), command.getIntValue("queueId"));
    }

    private static int compressAbove(JSONObject command) {
        return command.containsKey("compressAbove") ? command.getIntValue("compressAbove") : Integer.MAX_VALUE;
    }

    /** Each message for itself, to the queue that it names. */
    Object send(JSONObject command) throws Exception {
        DefaultMQProducer sender = producer(compressAbove(command));
        List<Object> receipts = new ArrayList<>();
        JSONArray messages = command.getJSONArray("messages");
        for (int at = 0; at < messages.size(); at += 1) {
            JSONObject shape = messages.getJSONObject(at);
            shape.put("brokerName", command.getString("brokerName"));
            receipts.add(receipt(sender.send(Shapes.message(shape), queue(shape))));
        }
        return receipts;
    }

    Object sendBatch(JSONObject command) throws Exception {
        List<Message> batch = new ArrayList<>();
        JSONArray messages = command.getJSONArray("messages");
        for (int at = 0; at < messages.size(); at += 1) batch.add(Shapes.message(messages.getJSONObject(at)));
        return receipt(producer(Integer.MAX_VALUE).send(batch, queue(command)));
    }

    /** Half messages, ended as `outcome` says: COMMIT_MESSAGE, ROLLBACK_MESSAGE, UNKNOW (left open). */
    Object sendHalf(JSONObject command) throws Exception {
        if (halfProducer == null) {
            TransactionMQProducer made = new TransactionMQProducer("driver-half-producer");
            prepare(made, "driver-half-producer");
            made.setTransactionListener(new Outcomes());
            made.start();
            halfProducer = made;
        }
        List<Object> receipts = new ArrayList<>();
        JSONArray messages = command.getJSONArray("messages");
        for (int at = 0; at < messages.size(); at += 1) {
            receipts.add(receipt(halfProducer.sendMessageInTransaction(Shapes.message(messages.getJSONObject(at)), command.getString("outcome"))));
        }
        return receipts;
    }

    private static final class Outcomes implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object outcome) {
            return LocalTransactionState.valueOf((String) outcome);
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return "well".equals(message.getProperty("ends")) ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW;
        }
    }

    private static Object receipt(SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException("sent: " + result);
        Map<String, Object> receipt = new TreeMap<>();
        receipt.put("uniqueKey", result.getMsgId());
        receipt.put("messageId", result.getOffsetMsgId());
        receipt.put("queueId", result.getMessageQueue().getQueueId());
        receipt.put("queueOffset", result.getQueueOffset());
        return receipt;
    }

    /** All messages from `from` up to `to`, exclusive, in order. */
    Object pull(JSONObject command) throws Exception {
        List<Object> messages = new ArrayList<>();
        long to = command.getLongValue("to");
        for (long at = command.getLongValue("from"); at < to; ) {
            PullResult part = puller().pull(queue(command), "*", at, 32);
            if (part.getPullStatus() != PullStatus.FOUND) throw new IllegalStateException("pulled at " + at + ": " + part);
            messages.addAll(Shapes.of(part.getMsgFoundList()));
            at = part.getNextBeginOffset();
        }
        return messages;
    }

    Object bounds(JSONObject command) throws Exception {
        Map<String, Object> bounds = new TreeMap<>();
        bounds.put("min", admin().minOffset(queue(command)));
        bounds.put("max", admin().maxOffset(queue(command)));
        return bounds;
    }

    Object offsetAt(JSONObject command) throws Exception {
        return admin().searchOffset(queue(command), command.getLongValue("time"));
    }

    Object byKey(JSONObject command) throws Exception {
        try {
            var found = admin().queryMessage(command.getString("topic"), command.getString("key"), 64, command.getLongValue("since"), command.getLongValue("until"));
            return Shapes.of(found.getMessageList());
        } catch (MQClientException none) {
            // What the client says where the broker answers that it has none.
            if (none.getResponseCode() == 208 || String.valueOf(none.getMessage()).contains("no message")) return new ArrayList<>();
            throw none;
        }
    }

    /** `offsets`: queue id -> where the group begins. A consumer without them corrects itself, but one of 4.9 takes minutes for it. */
    Object setConsumerOffsets(JSONObject command) throws Exception {
        JSONObject offsets = command.getJSONObject("offsets");
        for (String queueId : offsets.keySet()) {
            MessageQueue queue = new MessageQueue(command.getString("topic"), command.getString("brokerName"), Integer.parseInt(queueId));
            admin().updateConsumeOffset(command.getString("broker"), command.getString("group"), queue, offsets.getLongValue(queueId));
        }
        return true;
    }

    Object consumerOffsets(JSONObject command) throws Exception {
        Map<String, Object> offsets = new TreeMap<>();
        var stats = admin().examineConsumeStats(command.getString("group"), command.getString("topic"));
        stats.getOffsetTable().forEach((queue, wrapper) -> offsets.put(queue.getTopic() + "/" + queue.getQueueId(), wrapper.getConsumerOffset()));
        return offsets;
    }
}
