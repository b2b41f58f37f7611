#include "connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace serve {

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool Connection::wait(short events, Clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd_, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (left <= 0) return false;
  }
}

bool Connection::wait_readable() const { return begin_ < end_ || wait(POLLIN, deadline_); }

bool Connection::wait_writable() const { return wait(POLLOUT, deadline_); }

bool Connection::wait_for_request(Clock::duration timeout) {
  if (begin_ < end_) return true;
  if (!wait(POLLIN, Clock::now() + timeout)) return false;
  const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
  begin_ = 0;
  end_ = static_cast<size_t>(std::max<ssize_t>(got, 0));
  return got > 0;
}

void Connection::begin_request(Clock::duration timeout, int64_t max_header_bytes) {
  timeout_ = timeout;
  deadline_ = Clock::now() + timeout;
  write_deadline_ = {};
  bytes_left_ = max_header_bytes;
  timed_out_ = false;
  in_headers_ = true;
  column_ = 0;
  is_range_ = true;
}

ssize_t Connection::read(char* data, size_t size) {
  if (bytes_left_ <= 0 || size == 0) return -1;
  while (begin_ == end_) {
    const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<size_t>(got);
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      if (!wait(POLLIN, deadline_)) {
        timed_out_ = true;
        return -1;
      }
    } else {
      return got;
    }
    if (Clock::now() > deadline_) {
      timed_out_ = true;
      return -1;
    }
  }
  const size_t taken = std::min({size, end_ - begin_, static_cast<size_t>(bytes_left_)});
  std::memcpy(data, buffer_.data() + begin_, taken);
  begin_ += taken;
  if (in_headers_) hide_range(data, taken);
  bytes_left_ -= static_cast<int64_t>(taken);
  return static_cast<ssize_t>(taken);
}

// A server may ignore "Range". httplib would match it with a regular expression that recurses for each byte, so that a
// client could choose how much of the stack is used; without its colon the line is none that httplib knows.
void Connection::hide_range(char* data, size_t size) {
  constexpr char name[] = "range:";
  for (char* c = data; c != data + size; ++c) {
    if (*c == '\n') {
      column_ = 0;
      is_range_ = true;
      continue;
    }
    if (is_range_ && column_ < 6) {
      is_range_ = std::tolower(static_cast<unsigned char>(*c)) == name[column_];
      if (is_range_ && column_ == 5) *c = '-';
    }
    ++column_;
  }
}

ssize_t Connection::write(const char* data, size_t size) {
  if (write_deadline_ == Clock::time_point{}) write_deadline_ = Clock::now() + timeout_;
  for (;;) {
    const ssize_t sent = ::send(fd_, data, size, MSG_NOSIGNAL);
    if (sent > 0 || size == 0) return sent;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return -1;
    if (!wait(POLLOUT, write_deadline_)) return -1;
  }
}

void Connection::linger(Clock::duration timeout, int64_t max_bytes) {
  const auto deadline = Clock::now() + timeout;
  ::shutdown(fd_, SHUT_WR);
  while (max_bytes > 0 && wait(POLLIN, deadline)) {
    const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
    max_bytes -= std::max<ssize_t>(got, 0);
    if (Clock::now() > deadline) return;
  }
}

void Connection::stop_reading() const { ::shutdown(fd_, SHUT_RD); }

void Connection::abort() const { ::shutdown(fd_, SHUT_RDWR); }

}  // namespace serve
