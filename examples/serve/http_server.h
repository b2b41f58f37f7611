// httplib's HTTP/1.1 over sockets of our own: a bounded number of connections, each with a thread while it lasts; slow
// clients are cut off; stop() lets running requests finish. httplib's own loop has no deadline for a whole request and
// keeps connections to the end of their time-out when it stops.
#pragma once

#include <httplib.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>

#include "connection.h"
#include "metrics.h"

namespace serve {

struct HttpLimits {
  int64_t connections = 0;
  int64_t max_body_bytes = 0;
  std::chrono::seconds request_timeout{}, idle_timeout{};
};

class HttpServer : private httplib::Server {
 public:
  HttpServer(const HttpLimits& limits, Metrics& metrics);
  ~HttpServer() override;

  using Server::Get;
  using Server::Post;

  /// Reads the body of the request that this thread handles. Throws HttpError: too large, too slow, cut short.
  std::string read_body(const httplib::ContentReader& reader, const std::function<void(size_t)>& reserve);

  /// Returns the port. Throws std::runtime_error.
  int bind(const std::string& host, int port);
  /// Accepts until stop(), then returns once the last connection has ended.
  void run();
  /// From any thread: accepts no more, closes connections between requests, lets the others end theirs.
  void stop();
  /// From any thread: cuts all connections.
  void abort();

 private:
  struct Client;

  void wake();
  void reap();
  void work(Client& client);
  void serve(Client& client);
  bool handle(Client& client);
  void admit(int fd);
  bool evict_idle();
  bool check_framing(const httplib::Request& request, httplib::Response& response);
  bool must_close(const Client& client) const;

  // Called with a request's addresses too since httplib 0.17.
  template <class Self>
  static auto process(Self& self, httplib::Stream& stream, bool close, bool& closed,
                      const std::function<void(httplib::Request&)>& setup, int)
      -> decltype(self.process_request(stream, close, closed, setup)) {
    return self.process_request(stream, close, closed, setup);
  }
  template <class Self>
  static bool process(Self& self, httplib::Stream& stream, bool close, bool& closed,
                      const std::function<void(httplib::Request&)>& setup, long) {
    return self.process_request(stream, std::string(), 0, std::string(), 0, close, closed, setup);
  }

  const HttpLimits limits_;
  Metrics& metrics_;
  int listen_fd_ = -1, wake_fd_ = -1;
  std::mutex mutex_;            // guards what follows
  std::list<Client> clients_;   // of those that are idle, the longest idle first
  std::list<Client> finished_;  // threads to join
  std::atomic<bool> stopping_{false};
};

}  // namespace serve
