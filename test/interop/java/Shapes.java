import com.alibaba.fastjson.JSONObject;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages as the driver takes and gives them. */
final class Shapes {
    private Shapes() {
    }

    static List<Object> of(List<MessageExt> messages) throws Exception {
        List<Object> shapes = new ArrayList<>();
        for (MessageExt message : messages) shapes.add(of(message));
        return shapes;
    }

    static Map<String, Object> of(MessageExt message) throws Exception {
        Map<String, Object> shape = new TreeMap<>();
        byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
        shape.put("topic", message.getTopic());
        shape.put("queueId", message.getQueueId());
        shape.put("queueOffset", message.getQueueOffset());
        shape.put("physicalOffset", message.getCommitLogOffset());
        shape.put("recordBytes", message.getStoreSize());
        shape.put("bornAt", message.getBornTimestamp());
        shape.put("storedAt", message.getStoreTimestamp());
        shape.put("bornHost", host(message.getBornHost()));
        shape.put("storeHost", host(message.getStoreHost()));
        shape.put("flag", message.getFlag());
        shape.put("sysFlag", message.getSysFlag());
        shape.put("reconsumeTimes", message.getReconsumeTimes());
        shape.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
        shape.put("bodyBytes", body.length);
        shape.put("bodyHash", hash(body));
        shape.put("properties", new TreeMap<>(message.getProperties()));
        return shape;
    }

    /** `{ topic, body (base64) | fill + bodyBytes, tag?, keys?, flag?, delayLevel?, deliverAt?, properties? }` */
    static Message message(JSONObject shape) {
        Message message = new Message(shape.getString("topic"), Base64.getDecoder().decode(shape.getString("body")));
        if (shape.containsKey("tag")) message.setTags(shape.getString("tag"));
        if (shape.containsKey("keys")) message.setKeys(shape.getString("keys"));
        if (shape.containsKey("flag")) message.setFlag(shape.getIntValue("flag"));
        if (shape.containsKey("delayLevel")) message.setDelayTimeLevel(shape.getIntValue("delayLevel"));
        // Set by its name: 4.9 has no call for it.
        if (shape.containsKey("deliverAt")) MessageAccessor.putProperty(message, "TIMER_DELIVER_MS", shape.getString("deliverAt"));
        JSONObject properties = shape.getJSONObject("properties");
        if (properties != null) for (String name : properties.keySet()) message.putUserProperty(name, properties.getString(name));
        return message;
    }

    private static String host(Object address) {
        InetSocketAddress socket = (InetSocketAddress) address;
        return socket == null ? "" : socket.getAddress().getHostAddress() + "|" + socket.getPort();
    }

    private static String hash(byte[] bytes) throws Exception {
        StringBuilder text = new StringBuilder();
        for (byte one : MessageDigest.getInstance("SHA-256").digest(bytes)) text.append(String.format("%02x", one));
        return text.toString();
    }
}
