import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;

/**
 * One process for all rounds of a contestant: a line on standard input is a round, a line of JSON on standard output its answer. Before the first
 * round of each kind of work the same work runs for some seconds in a directory of its own, so that the compiler of the machine has
 * done what it does; rounds that follow find it done.
 */
public final class Compare {
    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        System.setOut(System.err);
        double warmUpSeconds = Double.parseDouble(arguments[2]);
        Set<String> warm = new HashSet<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                Column column = Column.of(line);
                if (warm.add(column.shape())) Rounds.run(contestant(arguments), column.warmUp(warmUpSeconds));
                answers.println(Rounds.run(contestant(arguments), column));
            } catch (Throwable failure) {
                failure.printStackTrace();
                answers.println("{\"failure\":\"" + String.valueOf(failure).replaceAll("[\"\\\\\\p{Cntrl}]", " ") + "\"}");
            }
        }
        Runtime.getRuntime().halt(0);
    }

    /** Named by the first parameter; the second is its way of being set up. */
    private static Contestant contestant(String[] arguments) throws Exception {
        return (Contestant) Class.forName(arguments[0]).getConstructor(String.class).newInstance(arguments[1]);
    }
}
