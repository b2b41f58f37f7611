#include "http_server.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <thread>

#include "http_error.h"

namespace serve {
namespace {

constexpr int64_t kMaxHeaderBytes = 64 << 10;
// Of a body in chunks, beside its bytes.
constexpr int64_t kChunkSlack = 64 << 10;
// Paths are matched with regular expressions, which recurse.
constexpr size_t kMaxPath = 1024;
constexpr auto kLinger = std::chrono::seconds(1);
// Who has just connected may send so long before another may take the place.
constexpr auto kWelcome = std::chrono::seconds(5);

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

void set_error(httplib::Response& response, int status, const std::string& message) {
  response.status = status;
  response.set_content(error_body(message), "application/json");
}

/// Where httplib gives none.
std::string whole_answer(const std::string& status, const std::string& message) {
  const std::string body = error_body(message);
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

struct HttpServer::Client {
  explicit Client(int fd) : connection(fd) {}

  Connection connection;
  bool idle = true;      // between requests; guarded by mutex_, as the next two
  bool newcomer = true;  // before its first
  Connection::Clock::time_point since = Connection::Clock::now();
  std::list<Client>::iterator place;
  std::thread thread;
  bool headers_read = false;  // of the current request, as the rest
  bool has_body = false, body_read = false;

  static thread_local Client* current;
};

thread_local HttpServer::Client* HttpServer::Client::current = nullptr;

HttpServer::HttpServer(const HttpLimits& limits, Metrics& metrics) : limits_(limits), metrics_(metrics) {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) throw std::runtime_error(std::string("eventfd: ") + std::strerror(errno));
  set_payload_max_length(static_cast<size_t>(limits.max_body_bytes));
  set_keep_alive_timeout(limits.idle_timeout.count());
  set_keep_alive_max_count(1000000);  // only named in answers
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    return check_framing(request, response) ? HandlerResponse::Unhandled : HandlerResponse::Handled;
  });
  set_expect_100_continue_handler([this](const httplib::Request& request, httplib::Response& response) {
    return check_framing(request, response) ? 100 : response.status;
  });
  set_error_handler(HandlerWithResponse([](const httplib::Request&, httplib::Response& response) {
    if (Client::current->connection.timed_out()) response.status = 408;
    if (!response.body.empty()) return HandlerResponse::Unhandled;
    const int status = response.status;
    set_error(response, status,
              status == 404   ? "no such path"
              : status == 408 ? "the request did not arrive in time"
              : status == 414 ? "the path is too long"
                              : "not a valid HTTP request");
    return HandlerResponse::Handled;
  }));
  set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
    set_error(response, 500, "internal error");
  });
  set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) {
    if (!must_close(*Client::current)) return;
    response.headers.erase("Keep-Alive");
    response.headers.erase("Connection");
    response.set_header("Connection", "close");
  });
  set_logger(
      [this](const httplib::Request&, const httplib::Response& response) { metrics_.responses.add(response.status); });
}

HttpServer::~HttpServer() {
  if (listen_fd_ >= 0) ::close(listen_fd_);
  ::close(wake_fd_);
}

int HttpServer::bind(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code) throw std::runtime_error("--host " + host + ": " + ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::string problem;
  for (const addrinfo* a = found; a && listen_fd_ < 0; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    const int yes = 1;
    if (fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        ::bind(fd, a->ai_addr, a->ai_addrlen) == 0 && ::listen(fd, SOMAXCONN) == 0) {
      listen_fd_ = fd;
    } else {
      problem = std::strerror(errno);
      if (fd >= 0) ::close(fd);
    }
  }
  if (listen_fd_ < 0)
    throw std::runtime_error("cannot listen on " + host + " port " + std::to_string(port) + ": " + problem);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char service[NI_MAXSERV];
  if (::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size) ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, nullptr, 0, service, sizeof service, NI_NUMERICSERV))
    throw std::runtime_error("cannot tell the port");
  return std::atoi(service);
}

void HttpServer::run() {
  const auto ended = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_ && clients_.empty();
  };
  while (!ended()) {
    pollfd entries[2] = {{wake_fd_, POLLIN, 0}, {listen_fd_, POLLIN, 0}};
    if (::poll(entries, stopping_ ? 1 : 2, -1) < 0) continue;
    if (entries[0].revents) reap();
    if (stopping_ && listen_fd_ >= 0) {
      ::close(listen_fd_);
      listen_fd_ = -1;
    }
    if (stopping_ || !(entries[1].revents & POLLIN)) continue;
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      admit(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The client stays in the kernel's queue; asking again at once would only spin.
      ::poll(entries, 1, 20);
    }
  }
  reap();
}

void HttpServer::wake() {
  const uint64_t one = 1;
  // Fails only if the counter is full, which wakes as well.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

void HttpServer::reap() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &count, sizeof count);
  std::list<Client> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (Client& client : finished) client.thread.join();
}

void HttpServer::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const Client& client : clients_)
    if (client.idle) client.connection.stop_reading();
  wake();
}

void HttpServer::abort() {
  const std::lock_guard lock(mutex_);
  for (const Client& client : clients_) client.connection.abort();
}

void HttpServer::admit(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const std::lock_guard lock(mutex_);
  Client& client = clients_.emplace_back(fd);
  client.place = std::prev(clients_.end());
  if (static_cast<int64_t>(clients_.size()) <= limits_.connections || evict_idle()) {
    try {
      // A thread's stack, which deep recursion in regular expressions may have touched, is freed with it.
      client.thread = std::thread([this, &client] { work(client); });
      return;
    } catch (const std::system_error&) {
    }
  }
  ++metrics_.refused_connections;
  metrics_.responses.add(503);
  const std::string text = whole_answer("503 Service Unavailable", "too many connections");
  // Into an empty socket buffer, which takes it whole; this thread waits for nobody.
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) client.connection.linger({}, 1 << 16);
  clients_.pop_back();
}

bool HttpServer::evict_idle() {
  const auto now = Connection::Clock::now();
  for (Client& client : clients_) {
    if (!client.idle || (client.newcomer && now - client.since < kWelcome)) continue;
    client.idle = false;
    client.connection.stop_reading();
    return true;
  }
  return false;
}

void HttpServer::work(Client& client) {
  ++metrics_.connections;
  try {
    serve(client);
  } catch (const std::exception&) {
    // No memory even for an error's text: this client loses its connection.
  }
  --metrics_.connections;
  const std::lock_guard lock(mutex_);
  client.connection.close();
  finished_.splice(finished_.end(), clients_, client.place);
  wake();
}

void HttpServer::serve(Client& client) {
  // Once stopping, only what has already arrived is answered.
  while (client.connection.wait_for_request(stopping_ ? Connection::Clock::duration{} : limits_.idle_timeout)) {
    {
      const std::lock_guard lock(mutex_);
      client.idle = client.newcomer = false;
    }
    if (!handle(client)) return;
    const std::lock_guard lock(mutex_);
    client.idle = true;
    clients_.splice(clients_.end(), clients_, client.place);
  }
}

bool HttpServer::handle(Client& client) {
  Client::current = &client;
  client.headers_read = client.has_body = client.body_read = false;
  client.connection.begin_request(limits_.request_timeout, kMaxHeaderBytes);
  bool closed = false;
  const bool answered = process(
      *this, client.connection, stopping_, closed,
      [&](httplib::Request& request) {
        client.headers_read = true;
        client.has_body = request.has_header("Content-Length") ? request.get_header_value("Content-Length") != "0"
                                                               : request.method == "POST";
        client.has_body |= request.has_header("Transfer-Encoding");
        client.connection.begin_body(2 * limits_.max_body_bytes + kChunkSlack);
        // httplib would compress answers, slowly.
        request.headers.erase("Accept-Encoding");
      },
      0);
  if (!answered && !client.headers_read && client.connection.timed_out()) {
    metrics_.responses.add(408);
    client.connection.write(whole_answer("408 Request Timeout", "the request did not arrive in time"));
  }
  if (answered && !closed && !must_close(client)) return true;
  if (!client.headers_read || (client.has_body && !client.body_read))
    client.connection.linger(kLinger, limits_.max_body_bytes);
  return false;
}

bool HttpServer::must_close(const Client& client) const {
  return stopping_ || !client.headers_read || (client.has_body && !client.body_read);
}

bool HttpServer::check_framing(const httplib::Request& request, httplib::Response& response) {
  const auto refuse = [&](int status, const std::string& message) {
    set_error(response, status, message);
    return false;
  };
  if (request.path.size() > kMaxPath) return refuse(414, "the path is too long");
  const bool chunked = request.has_header("Transfer-Encoding"), sized = request.has_header("Content-Length");
  if (request.get_header_value_count("Transfer-Encoding") + request.get_header_value_count("Content-Length") > 1)
    return refuse(400, "a request has one Content-Length or one Transfer-Encoding");
  if (chunked && lower(request.get_header_value("Transfer-Encoding")) != "chunked")
    return refuse(400, "Transfer-Encoding must be chunked");
  if (sized && !is_number(request.get_header_value("Content-Length")))
    return refuse(400, "Content-Length must be a number");
  if (sized && std::stoll(request.get_header_value("Content-Length")) > limits_.max_body_bytes)
    return refuse(413, "the body may have " + std::to_string(limits_.max_body_bytes) + " bytes");
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
    response.set_header("Allow", "GET, HEAD, POST");
    return refuse(405, "the method must be GET, HEAD or POST");
  }
  if (request.method == "POST" && !chunked && !sized) return refuse(411, "Content-Length is needed");
  const std::string encoding = lower(request.get_header_value("Content-Encoding"));
  if (!encoding.empty() && encoding != "identity") return refuse(415, "the body must not be compressed");
  if (lower(request.get_header_value("Content-Type")).find("multipart/") != std::string::npos)
    return refuse(415, "the body must be application/json");
  return true;
}

std::string HttpServer::read_body(const httplib::ContentReader& reader, const std::function<void(size_t)>& reserve) {
  std::string body;
  bool too_large = false;
  const bool whole = reader([&](const char* data, size_t size) {
    too_large = static_cast<int64_t>(body.size() + size) > limits_.max_body_bytes;
    if (too_large) return false;
    reserve(size);
    body.append(data, size);
    return true;
  });
  if (too_large) throw HttpError(413, "the body may have " + std::to_string(limits_.max_body_bytes) + " bytes");
  if (Client::current->connection.timed_out()) throw HttpError(408, "the request did not arrive in time");
  if (!whole) throw HttpError(400, "the body ends early, or its chunks are malformed");
  Client::current->body_read = true;
  return body;
}

}  // namespace serve
