import org.apache.rocketmq.broker.BrokerStartup;

/** The stock broker's main class, in a process that does not outlive the test: it ends when its standard input does. */
public final class WatchedBroker {
    private WatchedBroker() {
    }

    public static void main(String[] arguments) {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // Nothing is ever said to it.
                }
            } catch (java.io.IOException gone) {
                // The same as an end.
            }
            Runtime.getRuntime().halt(9);
        });
        watch.setDaemon(true);
        watch.start();
        BrokerStartup.main(arguments);
    }
}
