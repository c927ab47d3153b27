import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;

/**
 * Runs one Elasticsearch node in this process until it is told to end: {@code EmbeddedNode CONFIG_FOLDER}, with
 * elasticsearch.yml and log4j2.properties. In place of Elasticsearch's own launcher, which wants its whole distribution.
 */
public final class EmbeddedNode {
    private EmbeddedNode() {}

    public static void main(String[] arguments) throws InterruptedException {
        try {
            start(Path.of(arguments[0]));
        } catch (Throwable failure) {
            // The reasons last, where whoever reads the log looks first.
            failure.printStackTrace();
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                System.err.println(cause);
            }
            System.exit(1);
        }
        new CountDownLatch(1).await();
    }

    private static void start(Path config) throws Exception {
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            Settings.EMPTY, Map.of(), config, () -> "embedded");
        LogConfigurator.configure(environment, true);
        Node node = new Node(environment);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node), "close"));
        node.start();
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (IOException e) {
            e.printStackTrace();
        }
    }
}
