import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * One process for all that the tests ask of the stock client and the stock tools: a command as a JSON line on standard input, its
 * answer as a JSON line on standard output. It holds the name server too. Compiled against both versions, so `var` stands
 * where they keep a class in different packages.
 */
public final class Driver {
    private final Clients clients;

    private Driver(String nameServer) {
        clients = new Clients(nameServer);
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, "UTF-8");
        System.setOut(System.err);
        int port = Integer.parseInt(arguments[0]);
        NettyServerConfig server = new NettyServerConfig();
        server.setListenPort(port);
        NamesrvController nameServer = new NamesrvController(new NamesrvConfig(), server);
        if (!nameServer.initialize()) throw new IllegalStateException("the name server does not start");
        nameServer.start();

        Driver driver = new Driver("127.0.0.1:" + port);
        answers.println("{\"ready\":true}");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) answers.println(driver.answer(line));
        Runtime.getRuntime().halt(0);
    }

    private String answer(String line) {
        JSONObject command = JSON.parseObject(line);
        Map<String, Object> answer = new TreeMap<>();
        try {
            answer.put("value", run(command.getString("call"), command));
        } catch (Throwable failure) {
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace));
            answer.put("error", trace.toString());
        }
        return JSON.toJSONString(answer);
    }

    private Object run(String call, JSONObject command) throws Exception {
        switch (call) {
            case "route": return clients.hasRoute(command.getString("topic"));
            case "updateTopic": return clients.updateTopic(command);
            case "send": return clients.send(command);
            case "sendBatch": return clients.sendBatch(command);
            case "sendHalf": return clients.sendHalf(command);
            case "pull": return clients.pull(command);
            case "bounds": return clients.bounds(command);
            case "offsetAt": return clients.offsetAt(command);
            case "view": return Collections.singletonList(Shapes.of(clients.admin().viewMessage(command.getString("topic"), command.getString("id"))));
            case "byKey": return clients.byKey(command);
            case "consume": return Consumers.consume(clients, command);
            case "setConsumerOffsets": return clients.setConsumerOffsets(command);
            case "consumerOffsets": return clients.consumerOffsets(command);
            case "runtime": return clients.admin().fetchBrokerRuntimeStats(command.getString("broker")).getTable();
            case "mqadmin": return mqadmin(command.getJSONArray("arguments").toArray(new String[0]));
            default: throw new IllegalArgumentException("no call " + call);
        }
    }

    /** The main class of `mqadmin`, here, because a Java process for each call would take longer than the call. */
    private static String mqadmin(String[] arguments) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream before = System.out;
        PrintStream complaintsBefore = System.err;
        System.setOut(new PrintStream(bytes, true, "UTF-8"));
        System.setErr(System.out);
        try {
            MQAdminStartup.main0(arguments, null);
        } finally {
            System.out.flush();
            System.setOut(before);
            System.setErr(complaintsBefore);
        }
        return bytes.toString("UTF-8");
    }
}
