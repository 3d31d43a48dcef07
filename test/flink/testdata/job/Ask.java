import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import org.apache.flink.api.common.accumulators.ListAccumulator;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * A job that has a TaskManager call each argument, a JDBC URL or an https URL, with the JVM's own
 * truststore. It ends when all have answered, with the answers in the accumulator "answers"; it fails,
 * and is not restarted, with the exception of the first that has not.
 */
public final class Ask {
    public static void main(String[] urls) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        Configuration once = new Configuration();
        once.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        env.configure(once);
        env.fromSequence(0, urls.length - 1).map(new Call(urls)).print();
        env.execute("ask");
    }

    static final class Call extends RichMapFunction<Long, String> {
        private final String[] urls;
        private transient ListAccumulator<String> answers;

        Call(String[] urls) {
            this.urls = urls;
        }

        @Override
        public String map(Long n) throws Exception {
            if (answers == null) {
                answers = new ListAccumulator<>();
                getRuntimeContext().addAccumulator("answers", answers);
            }
            String url = urls[n.intValue()];
            String answer = url.startsWith("jdbc:") ? query(url) : get(url);
            answers.add(answer);
            return answer;
        }

        private static String query(String url) throws Exception {
            String query = "select count(*), string_agg(item, ' ' order by item),"
                    + " (select ssl from pg_stat_ssl where pid = pg_backend_pid()) from orders";
            try (Connection connection = DriverManager.getConnection(url);
                    Statement statement = connection.createStatement();
                    ResultSet row = statement.executeQuery(query)) {
                row.next();
                return row.getInt(1) + " orders: " + row.getString(2) + ", ssl=" + row.getString(3);
            }
        }

        private static String get(String url) throws Exception {
            try (InputStream in = new URL(url).openStream()) {
                return new String(in.readAllBytes(), StandardCharsets.UTF_8).trim();
            }
        }
    }
}
