package tools

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// StartNginx runs an nginx that passes requests on to the TLS server at upstream, host:port, and
// verifies its certificate with the roots in caFile and for the name sslName, as an ingress does whose
// backend is re-encrypted. depth is proxy_ssl_verify_depth; 0 leaves nginx's default, which is 1: one
// intermediate. It returns the URL of nginx, where a failed verification is status 502.
func StartNginx(t testing.TB, upstream, caFile, sslName string, depth int) string {
	t.Helper()
	return "http://" + startNginx(t, "http", func(prefix, address string) string {
		return nginxConf(prefix, address, upstream, caFile, sslName, depth)
	})
}

// StartIngress runs an nginx as StartNginx does, with the default depth, that itself serves TLS with a certificate
// and a key, both PEM files. It returns its port on 127.0.0.1.
func StartIngress(t testing.TB, upstream, caFile, sslName, certFile, keyFile string) string {
	t.Helper()
	address := startNginx(t, "https", func(prefix, address string) string {
		listen := fmt.Sprintf("%s ssl; ssl_certificate %q; ssl_certificate_key %q", address, certFile, keyFile)
		return nginxConf(prefix, listen, upstream, caFile, sslName, 0)
	})
	_, port, _ := net.SplitHostPort(address) // we made the address
	return port
}

// startNginx runs one on a free port and returns its address. conf is its configuration.
func startNginx(t testing.TB, scheme string, conf func(prefix, address string) string) string {
	t.Helper()
	path := Nginx(t)
	_, address := onFreePort(t, func(address string) (*process, func() bool) {
		prefix := t.TempDir()
		conf := conf(prefix, address)
		if err := os.WriteFile(filepath.Join(prefix, "nginx.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		server := startProcess(t, exec.Command(path, "-p", prefix, "-e", "stderr", "-c", "nginx.conf"), syscall.SIGTERM)
		return server, func() bool { return body(scheme+"://"+address+"/prefix") == prefix }
	})
	return address
}

// nginxConf returns the configuration. /prefix answers with the server's own folder, which tells it
// from anybody else's server on the port.
func nginxConf(prefix, listen, upstream, roots, sslName string, depth int) string {
	user, verifyDepth := "", ""
	if os.Geteuid() == 0 {
		user = "user root;" // its workers need not be kept from anything here
	}
	if depth > 0 {
		verifyDepth = fmt.Sprintf("proxy_ssl_verify_depth %d;", depth)
	}
	return fmt.Sprintf(`daemon off;
%s
worker_processes 1;
pid nginx.pid;
error_log stderr info;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen %s;
    location = /prefix { return 200 %q; }
    location / {
      proxy_pass https://%s;
      proxy_ssl_verify on;
      %s
      proxy_ssl_trusted_certificate %q;
      proxy_ssl_name %q;
      proxy_ssl_server_name on;
    }
  }
}
`, user, listen, prefix, upstream, verifyDepth, roots, sslName)
}

// body returns the body of a page, "" if there is none.
func body(url string) string {
	// Who it is shows in what it answers.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}
