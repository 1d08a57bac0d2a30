// An agent as its author might have written it before SutazAI: Go, no packages.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func asked(input string) (string, error) {
	body, _ := json.Marshal(map[string]any{
		"model": "standard", "messages": []message{{"user", input}},
	})
	url := os.Getenv("OPENAI_BASE_URL") + "/chat/completions"
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("content-type", "application/json")
	request.Header.Set("authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct{ Choices []struct{ Message message } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	return answer.Choices[0].Message.Content, nil
}

func invoke(response http.ResponseWriter, request *http.Request) {
	var task struct{ Input string }
	if err := json.NewDecoder(request.Body).Decode(&task); err != nil {
		http.Error(response, err.Error(), 400)
		return
	}
	if task.Input == "crash" {
		os.Exit(7)
	}
	text, err := asked(task.Input)
	if err != nil {
		http.Error(response, err.Error(), 500)
		return
	}
	output := map[string]any{"text": text, "pid": os.Getpid(), "in": runtime.Version()}
	json.NewEncoder(response).Encode(map[string]any{"output": output})
}

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		fmt.Println("asked to end")
		os.Exit(0)
	}()
	http.HandleFunc("/health", func(response http.ResponseWriter, _ *http.Request) {
		response.Write([]byte(`{"status": "healthy"}`))
	})
	http.HandleFunc("/invoke", invoke)
	fmt.Println("listening")
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}
