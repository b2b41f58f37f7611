// One client's socket as httplib reads and writes it: every request has a deadline and a limit of bytes, whatever the
// pace at which they come.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <string>

namespace serve {

class Connection final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  /// Owns the descriptor, which must be non-blocking.
  explicit Connection(int fd) : fd_(fd) {}
  ~Connection() override { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Waits for the first byte of a request; false if none came, or the client has left.
  bool wait_for_request(Clock::duration timeout);
  /// From now on `timeout` for all reads until end_request, and as long again for all writes.
  void begin_request(Clock::duration timeout, int64_t max_header_bytes);
  /// The headers are read: the body may have so many bytes.
  void begin_body(int64_t max_bytes) {
    bytes_left_ = max_bytes;
    in_headers_ = false;
  }
  bool timed_out() const { return timed_out_; }
  /// Ends what is written, then reads away what the client still sends, so that it gets to see the answer.
  void linger(Clock::duration timeout, int64_t max_bytes);
  void close();
  /// Wakes whoever waits in wait_for_request. From any thread.
  void stop_reading() const;
  /// Fails all reads and writes. From any thread.
  void abort() const;

  using Stream::write;
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return fd_; }
  // Virtual or not, according to the version of httplib; without `override` for that reason.
  bool is_readable() const { return begin_ < end_; }
  bool wait_readable() const;
  bool is_writable() const { return true; }
  bool wait_writable() const;
  time_t duration() const { return 0; }

 private:
  bool wait(short events, Clock::time_point deadline) const;
  void hide_range(char* data, size_t size);

  int fd_;
  Clock::duration timeout_{};
  Clock::time_point deadline_{}, write_deadline_{};
  int64_t bytes_left_ = 0;
  bool timed_out_ = false, in_headers_ = false;
  size_t column_ = 0;  // in the line of a header
  bool is_range_ = false;
  size_t begin_ = 0, end_ = 0;  // of what is read but not taken
  std::array<char, 16384> buffer_;
};

}  // namespace serve
