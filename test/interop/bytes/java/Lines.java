import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;

/** One JSON object a line, in and out. What libraries print to the standard output goes to the standard error instead. */
final class Lines {
    private final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    Lines() {
        System.setOut(System.err);
    }

    /** Null at the end. */
    Map<String, Object> read() throws Exception {
        String line = in.readLine();
        return line == null ? null : asMap(RemotingSerializable.fromJson(line, Map.class));
    }

    void write(Object answer) {
        out.println(RemotingSerializable.toJson(answer, false));
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> asMap(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> asList(Object value) {
        return (List<Object>) value;
    }

    static String text(Map<String, Object> from, String name) {
        Object value = from.get(name);
        return value == null ? "" : value.toString();
    }

    static long number(Map<String, Object> from, String name, long otherwise) {
        Object value = from.get(name);
        return value == null ? otherwise : ((Number) value).longValue();
    }

    static byte[] bytes(Map<String, Object> from, String name) {
        return Base64.getDecoder().decode(text(from, name));
    }
}
