import java.nio.file.Path;

/** One round, as compare.ts asks for it: words with tabs between them. */
public final class Column {
    public final boolean sync;
    public final int batch;
    public final int callers;
    public final int bodyBytes;
    public final boolean keyed;
    public final boolean finds;
    public final int count;
    public final double secondsMax;
    public final Path directory;

    public Column(boolean sync, int batch, int callers, int bodyBytes, boolean keyed, boolean finds, int count, double secondsMax, Path directory) {
        this.sync = sync;
        this.batch = batch;
        this.callers = callers;
        this.bodyBytes = bodyBytes;
        this.keyed = keyed;
        this.finds = finds;
        this.count = count;
        this.secondsMax = secondsMax;
        this.directory = directory;
    }

    public static Column of(String line) {
        String[] words = line.split("\t");
        return new Column(words[0].equals("sync"), Integer.parseInt(words[1]), Integer.parseInt(words[2]), Integer.parseInt(words[3]),
            words[4].equals("true"), words[5].equals("true"), Integer.parseInt(words[6]), Double.parseDouble(words[7]), Path.of(words[8]));
    }

    public Column warmUp(double seconds) {
        return new Column(sync, batch, callers, bodyBytes, keyed, false, count, seconds, directory.resolve("warm-up"));
    }

    /** What must be warm for it: everything but how much and where. */
    public String shape() {
        return sync + " " + batch + " " + callers + " " + bodyBytes + " " + keyed;
    }
}
