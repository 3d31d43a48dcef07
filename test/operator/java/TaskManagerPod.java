import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.concurrent.Executors;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptionsInternal;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.kubernetes.kubeclient.Fabric8FlinkKubeClient;
import org.apache.flink.kubernetes.kubeclient.FlinkPod;
import org.apache.flink.kubernetes.kubeclient.factory.KubernetesTaskManagerFactory;
import org.apache.flink.kubernetes.kubeclient.parameters.KubernetesTaskManagerParameters;
import org.apache.flink.kubernetes.shaded.io.fabric8.kubernetes.client.DefaultKubernetesClient;
import org.apache.flink.kubernetes.shaded.io.fabric8.kubernetes.client.utils.Serialization;
import org.apache.flink.kubernetes.utils.Constants;
import org.apache.flink.kubernetes.utils.KubernetesUtils;
import org.apache.flink.runtime.clusterframework.BootstrapTools;
import org.apache.flink.runtime.clusterframework.ContaineredTaskManagerParameters;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessSpec;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils;
import org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils;

/**
 * Makes the pod of a TaskManager as a JobManager does that runs on Kubernetes (KubernetesResourceManagerDriver of Flink). Each
 * line of standard input is a folder with the files of the ConfigMaps that the JobManager's pod mounts, flink-conf.yaml or config.yaml, and perhaps
 * taskmanager-pod-template.yaml, and answered by a line with the pod.
 */
public class TaskManagerPod {
    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            Configuration conf = GlobalConfiguration.loadConfiguration(line);
            conf.set(DeploymentOptionsInternal.CONF_DIR, line);
            System.out.println(Serialization.jsonMapper().writeValueAsString(
                    KubernetesTaskManagerFactory.buildTaskManagerKubernetesPod(template(conf, line), parameters(conf)).getInternalResource()));
        }
        System.exit(0);
    }

    private static FlinkPod template(Configuration conf, String dir) {
        File file = new File(dir, Constants.TASK_MANAGER_POD_TEMPLATE_FILE_NAME);
        if (!file.exists()) {
            return new FlinkPod.Builder().build();
        }
        Fabric8FlinkKubeClient client =
                new Fabric8FlinkKubeClient(conf, new DefaultKubernetesClient(), Executors.newSingleThreadScheduledExecutor());
        return KubernetesUtils.loadPodFromTemplateFile(client, file, Constants.MAIN_CONTAINER_NAME);
    }

    private static KubernetesTaskManagerParameters parameters(Configuration conf) {
        String name = conf.getString("kubernetes.cluster-id", "") + "-taskmanager-1-1";
        TaskExecutorProcessSpec process = TaskExecutorProcessUtils.processSpecFromConfig(conf);
        Configuration own = new Configuration(conf);
        own.set(TaskManagerOptions.TASK_MANAGER_RESOURCE_ID, name);
        return new KubernetesTaskManagerParameters(
                conf, name, BootstrapTools.getDynamicPropertiesAsString(conf, own), ProcessMemoryUtils.generateJvmParametersStr(process),
                ContaineredTaskManagerParameters.create(conf, process), Collections.emptyMap(), Collections.emptySet());
    }
}
