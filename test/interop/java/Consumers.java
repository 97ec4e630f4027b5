import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** The stock push consumer. */
final class Consumers {
    private Consumers() {
    }

    /**
     * `{ topic, group, count, timeoutMs, quietMs?, orderly?, failTimes?, retryMax? }`: starts a consumer, waits until it has got `count` messages (deliveries of
     * retries included), then `quietMs` longer for what must not come, and gives all deliveries in their order. Each message is refused
     * on its first `failTimes` deliveries.
     */
    static Object consume(Clients clients, JSONObject command) throws Exception {
        List<MessageExt> got = new ArrayList<>();
        int failTimes = command.getIntValue("failTimes");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(command.getString("group"));
        consumer.setNamesrvAddr(clients.nameServer());
        consumer.setInstanceName("driver-" + command.getString("group") + "-" + System.nanoTime());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(1);
        consumer.setConsumeThreadMax(4);
        consumer.setConsumeMessageBatchMaxSize(32);
        if (command.containsKey("retryMax")) consumer.setMaxReconsumeTimes(command.getIntValue("retryMax"));
        consumer.subscribe(command.getString("topic"), "*");
        if (command.getBooleanValue("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                add(got, messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            if (failTimes > 0) consumer.setConsumeMessageBatchMaxSize(1);
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                add(got, messages);
                // Level 1 is a second.
                context.setDelayLevelWhenNextConsume(1);
                return messages.get(0).getReconsumeTimes() < failTimes ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        try {
            waitFor(got, command.getIntValue("count"), command.getLongValue("timeoutMs"));
            Thread.sleep(command.getLongValue("quietMs"));
        } finally {
            consumer.shutdown();
        }
        synchronized (got) {
            return Shapes.of(got);
        }
    }

    private static void add(List<MessageExt> got, List<MessageExt> messages) {
        synchronized (got) {
            got.addAll(messages);
            got.notifyAll();
        }
    }

    private static void waitFor(List<MessageExt> got, int count, long timeoutMs) throws InterruptedException {
        long until = System.nanoTime() + timeoutMs * 1_000_000;
        synchronized (got) {
            while (got.size() < count) {
                long leftMs = (until - System.nanoTime()) / 1_000_000;
                if (leftMs <= 0) return;
                got.wait(leftMs);
            }
        }
    }
}
