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
 * Runs one Elasticsearch node in this process until it is told to end: {@code EmbeddedNode HOME_FOLDER CONFIG_FOLDER}, the second
 * with elasticsearch.yml and log4j2.properties. In place of Elasticsearch's own launcher, which wants its whole distribution.
 * The BUILD file makes the same for OpenSearch of it, whose packages are called otherwise.
 */
public final class EmbeddedNode {
    private EmbeddedNode() {}

    public static void main(String[] arguments) throws InterruptedException {
        try {
            start(arguments[0], Path.of(arguments[1]));
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

    private static void start(String home, Path config) throws Exception {
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            Settings.EMPTY, Map.of("path.home", home), config, () -> "embedded");
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
