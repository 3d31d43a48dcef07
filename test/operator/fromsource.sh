#!/bin/sh
# fromsource.sh builds a checkout of the Apache Flink Kubernetes operator, and fills a new folder with what its container image
# has: the jars of the operator, of its webhook and of flink-kubernetes-standalone, and the file "classpath". The definitions
# of its chart go into crds.
#
#	test/operator/fromsource.sh CHECKOUT FOLDER
#	FLOWCERT_OPERATOR=FOLDER make e2e
#
# It wants JDK 17 and Maven, and runs no tests of the operator. Its comparison of definitions with those of earlier releases, which it
# would download one by one (maven-antrun-plugin), is left out.
set -eu

checkout=${1:?usage: fromsource.sh CHECKOUT FOLDER}
folder=${2:?usage: fromsource.sh CHECKOUT FOLDER}

mkdir "$folder"
folder=$(cd "$folder" && pwd)
cd "$checkout"
cp -R helm/flink-kubernetes-operator/crds "$folder" # before the build, which makes others in their place
mvn -q -B -C -Dstyle.color=never -DskipTests -Dspotless.check.skip=true -Dcheckstyle.skip -Drat.skip -Dmaven.antrun.skip=true \
	-pl flink-kubernetes-standalone,flink-kubernetes-operator-api,flink-kubernetes-operator,flink-autoscaler,flink-kubernetes-webhook \
	clean package </dev/null >&2

cp flink-kubernetes-operator/target/flink-kubernetes-operator-*-shaded.jar \
	flink-kubernetes-webhook/target/flink-kubernetes-webhook-*-shaded.jar "$folder"
for jar in flink-kubernetes-standalone/target/flink-kubernetes-standalone-*.jar flink-kubernetes-operator/target/log4j/*.jar; do
	case $jar in *-tests.jar | *-sources.jar | *-javadoc.jar) continue ;; esac
	[ ! -e "$jar" ] || cp "$jar" "$folder" # before 1.15 the operator's own jar has log4j's, too
done

# The order of the image's entry point. The webhook's jar is in no class path but its own.
cd "$folder"
classpath=$(printf '%s:' "$folder"/flink-kubernetes-standalone-*.jar "$folder"/flink-kubernetes-operator-*-shaded.jar)
for jar in "$folder"/log4j-*.jar; do
	[ ! -e "$jar" ] || classpath=$classpath$jar:
done
printf '%s\n' "${classpath%:}" >classpath
