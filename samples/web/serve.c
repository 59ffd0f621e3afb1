// Starts nginx on the port that the environment names: fills in the configuration and the page, then becomes nginx.
// `serve --check` asks the running server for its page and succeeds if it answers 200.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char* variable(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != NULL && *value != '\0' ? value : otherwise;
}

// Copies `from` to `to`, with @NAME@ replaced by the value of the variable NAME.
static void fill_in(const char* from, const char* to) {
  FILE* in = fopen(from, "r");
  FILE* out = fopen(to, "w");
  if (in == NULL || out == NULL) {
    perror(in == NULL ? from : to);
    exit(1);
  }
  char line[4096];
  while (fgets(line, sizeof line, in) != NULL) {
    char* rest = line;
    char *begin, *end;
    while ((begin = strchr(rest, '@')) != NULL && (end = strchr(begin + 1, '@')) != NULL) {
      *begin = *end = '\0';
      fprintf(out, "%s%s", rest, variable(begin + 1, ""));
      rest = end + 1;
    }
    fputs(rest, out);
  }
  fclose(in);
  if (fclose(out) != 0) {
    perror(to);
    exit(1);
  }
}

static int check(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(variable("PORT", "8080")))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const char* ask = "GET / HTTP/1.0\r\n\r\n";
  char answer[64] = "";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&to, sizeof to) != 0 ||
      write(fd, ask, strlen(ask)) < 0 || read(fd, answer, sizeof answer - 1) <= 0) {
    perror("check");
    return 1;
  }
  return strstr(answer, " 200 ") != NULL ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "--check") == 0) return check();
  fill_in("/etc/web/nginx.conf.in", "/run/web/nginx.conf");
  fill_in("/srv/site/index.html", "/run/web/index.html");
  execl("/usr/sbin/nginx", "nginx", "-e", "/dev/stderr", "-c", "/run/web/nginx.conf", (char*)NULL);
  perror("nginx");
  return 127;
}
