import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.kubernetes.operator.api.FlinkDeployment;
import org.apache.flink.kubernetes.operator.config.FlinkConfigManager;
import org.apache.flink.kubernetes.operator.validation.DefaultValidator;

/**
 * Asks the operator's validator, which is also its webhook's, about FlinkDeployments. Each line of standard input is one, and answered by
 * a line with what the validator says, "" if it accepts it.
 */
public class Validate {
    public static void main(String[] args) throws Exception {
        ObjectMapper json = Serialization.jsonMapper();
        DefaultValidator validator = new DefaultValidator(new FlinkConfigManager(new Configuration()));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            String answer;
            try {
                answer = validator.validateDeployment(json.readValue(line, FlinkDeployment.class)).orElse("");
            } catch (Exception e) {
                answer = String.valueOf(e);
            }
            System.out.println(json.writeValueAsString(answer));
        }
        System.exit(0); // the configuration manager has threads of its own
    }
}
